#if Command
import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// How a worker waits: how precisely on epoll, and whether it may poll a network card meanwhile.
enum WaitingChecks {
    static func all(_ facts: KernelFacts, _ process: ProcessFacts) -> [DoctorCheck] {
        [
            CheckGroup.kernel.check("epoll_pwait2", precision(facts, process)),
            CheckGroup.kernel.check("busy poll", polling(facts)),
            CheckGroup.kernel.check("net.core.busy_poll", facts.busyPolling, everybodyPolls),
        ]
    }

    private static let precise = KernelVersion(5, 11)
    private static let polled = KernelVersion(6, 9)

    private static func precision(_ facts: KernelFacts, _ process: ProcessFacts) -> Judgement {
        guard facts.preciseWaits != 0 else { return .ok("on (since \(precise))") }
        let cost =
            "On epoll, waits end by the millisecond: a timer of half a millisecond is 1.1 ms late instead of 0.15 ms. "
            + "io_uring does not need it."
        let found = "off (\(name(facts.preciseWaits))): "
        if let version = facts.version.value, version < precise {
            return .note(found + "it comes with Linux \(precise), and this is \(version)", cost)
        }
        if process.seccomp.value == 2 {
            return .note(
                found + "a seccomp filter forbids it", cost,
                mend: "docker run --security-opt seccomp=PROFILE.json IMAGE  # epoll_pwait2",
                "systemctl edit UNIT  # SystemCallFilter=epoll_pwait2")
        }
        return .note(found + "the kernel refuses it, or the C library lacks it (glibc before 2.35)", cost)
    }

    /// Asked for by `PortConfiguration.busyPoll`, so nothing is missing where nobody asks.
    private static func polling(_ facts: KernelFacts) -> Judgement {
        guard facts.ring.uring_result == 0 else { return .ok("not tried: io_uring is refused") }
        let result = -facts.ring.busy_poll_result
        guard result != 0 else {
            return .ok("possible (since \(polled)); a worker polls where PortConfiguration.busyPoll says so")
        }
        let cost =
            "A port with busyPoll does not open on io_uring. Without, a packet wakes its worker by an interrupt, which costs "
            + "some microseconds of latency; polling would cost a busy CPU."
        let found = "refused (\(name(result))): "
        if let version = facts.version.value, version < polled {
            return .note(found + "it comes with Linux \(polled), and this is \(version)", cost)
        }
        return .note(found + "the kernel was built without it (CONFIG_NET_RX_BUSY_POLL), or a filter forbids it", cost)
    }

    private static func everybodyPolls(_ microseconds: Int) -> Judgement {
        guard microseconds != 0 else { return .ok("0: off") }
        return .note(
            "\(Figure.count(UInt64(microseconds))) us",
            "Every wait of epoll, poll and select on this machine looks at a network card's queue for that time before it "
                + "sleeps: less latency, and CPU that counts as busy. Workers on io_uring do not.",
            mend: "sysctl -w net.core.busy_poll=0")
    }

    private static func name(_ code: Int32) -> String {
        unsafe iocp_error_name(code).map { unsafe String(cString: $0) } ?? "\(code)"
    }
}
#endif

#if Command
import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Whether io_uring may be used, and if not, who refuses it.
enum RingChecks {
    static func all(_ facts: KernelFacts, _ process: ProcessFacts) -> [DoctorCheck] {
        let code = -facts.ring.uring_result
        guard code != 0 else {
            return [CheckGroup.kernel.check("io_uring", .ok("allowed"))] + RingFeatureChecks.all(facts)
        }
        return [
            CheckGroup.kernel.check("io_uring", refusal(code, facts, process)), RingFeatureChecks.allOff(),
        ]
    }

    private static let cost =
        "Servers run on epoll: a file descriptor for each connection, and more CPU for each message."

    private static func refusal(_ code: Int32, _ facts: KernelFacts, _ process: ProcessFacts) -> Judgement {
        let name = unsafe iocp_error_name(code).map { unsafe String(cString: $0) } ?? "\(code)"
        func refused(_ why: String, _ remedy: [String] = []) -> Judgement {
            .warning("refused (\(name)): \(why)", cost, mend: remedy)
        }
        switch code {
        case EPERM, EACCES:
            if let judgement = sysctlRefusal(facts, process, refused) { return judgement }
            if process.seccomp.value == 2 { return refused("a seccomp filter forbids it", seccompRemedy) }
            return refused(
                "neither a sysctl nor a seccomp filter forbids it; a security module or a tracer of this process does")
        case ENOSYS:
            if process.seccomp.value == 2 { return refused("a seccomp filter hides it", seccompRemedy) }
            return refused("this kernel was built without it (CONFIG_IO_URING)")
        case EINVAL:
            return refused("this kernel's io_uring is older than Linux \(KernelChecks.least)")
        case ENOMEM:
            return refused(
                "no memory may be locked for a ring (RLIMIT_MEMLOCK, or the memory of the control group)",
                LimitChecks.memlockRemedy)
        case EMFILE, ENFILE:
            return refused(
                "no file descriptor is left (RLIMIT_NOFILE, or the sysctl fs.file-max)", ["ulimit -n 1048576"])
        default: return refused("the kernel gives no further reason")
        }
    }

    private static func sysctlRefusal(
        _ facts: KernelFacts, _ process: ProcessFacts, _ refused: (String, [String]) -> Judgement
    ) -> Judgement? {
        let allow = "sysctl -w kernel.io_uring_disabled=0"
        switch facts.ringsDisabled.value {
        case 2: return refused("the sysctl kernel.io_uring_disabled is 2, so nobody may use it", [allow])
        case 1 where process.has(.administer) != true:
            let others = "the sysctl kernel.io_uring_disabled is 1, so only CAP_SYS_ADMIN and "
            guard let group = facts.ringGroup.value ?? nil else {
                return refused(others + "a group may use it, and kernel.io_uring_group names none", [allow])
            }
            if process.groupIDs.value?.contains(group) == true { return nil }
            return refused(
                others + "group \(group) (kernel.io_uring_group) may use it, and this process is not in it",
                ["usermod -aG \"$(getent group \(group) | cut -d: -f1)\" USER"])
        default: return nil
        }
    }

    private static let seccompRemedy = [
        "docker run --security-opt seccomp=PROFILE.json IMAGE  # io_uring_*",
        "systemctl edit UNIT  # SystemCallFilter=@aio",
    ]
}
#endif

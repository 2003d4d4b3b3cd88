#if Command
import IOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The sysctls of the network that bound a server.
enum NetworkChecks {
    static func all(_ facts: NetworkFacts, _ memory: MemoryFacts) -> [DoctorCheck] {
        let group = CheckGroup.network
        return [
            group.check("somaxconn", facts.backlog, backlog),
            group.check("tcp_max_syn_backlog", facts.halfOpen) { halfOpen($0, facts.cookies.value) },
            group.check("tcp_mem", facts.memoryPages) { memoryPages($0, memory.totalBytes.value) },
            group.check("ip_local_port_range", facts.portRange, portRange),
            PacingChecks.congestionControl(facts),
            group.check("tcp_tw_reuse", facts.reuse, reuse),
            connectionTracking(facts),
        ]
    }

    private static func backlog(_ most: Int) -> Judgement {
        let wanted = PortConfiguration().listenBacklog
        let found = Figure.count(UInt64(most))
        guard most < wanted else { return .ok(found) }
        return .warning(
            found,
            "Each worker's listening socket holds \(found) new clients instead of \(Figure.count(UInt64(wanted))); in "
                + "a burst the others try again after a second.",
            mend: "sysctl -w net.core.somaxconn=\(wanted)")
    }

    /// With SYN cookies the kernel goes by the backlog alone.
    private static func halfOpen(_ most: Int, _ cookies: Int?) -> Judgement {
        let wanted = PortConfiguration().listenBacklog
        let found = Figure.count(UInt64(most))
        if most >= wanted { return .ok(found) }
        if let cookies, cookies > 0 { return .ok("\(found), not in force: SYN cookies are on") }
        let text =
            cookies == 0 ? "\(found), and SYN cookies are off" : "\(found); whether SYN cookies are on is unknown"
        return .warning(
            text, "A burst of more clients than that loses handshakes, and they try again after a second.",
            mend: "sysctl -w net.ipv4.tcp_max_syn_backlog=\(wanted)", "sysctl -w net.ipv4.tcp_syncookies=1")
    }

    static let pageBytes = Int(getpagesize())

    /// The kernel's own choice puts the pressure at a sixteenth of the memory.
    private static func memoryPages(_ pages: [Int], _ totalBytes: Int?) -> Judgement {
        let pressure = pages[1] * pageBytes
        let most = pages[2] * pageBytes
        let found = "pressure from \(Figure.bytes(UInt64(pressure))), at most \(Figure.bytes(UInt64(most)))"
        guard let totalBytes else { return .ok(found) }
        let own = totalBytes / 16 / pageBytes
        let remedy = "sysctl -w net.ipv4.tcp_mem=\"\(own * 3 / 4) \(own) \(own * 2)\""
        if pressure < totalBytes / 64 {
            return .warning(
                found, "That is little of \(Figure.bytes(UInt64(totalBytes))): under load TCP shrinks windows early.",
                mend: remedy)
        }
        if most > totalBytes / 2 {
            return .note(found, "Sockets alone may take more than half of the memory.", mend: remedy)
        }
        return .ok(found)
    }

    /// The kernel's own range has 28,232 ports.
    private static let leastPorts = 28_000

    private static func portRange(_ range: ClosedRange<Int>) -> Judgement {
        let found = "\(range.lowerBound) to \(range.upperBound): \(Figure.count(UInt64(range.count))) ports"
        guard range.count < leastPorts else { return .ok(found) }
        return .warning(
            found,
            "One address connects to one destination at most that often; accepted connections need none of them.",
            mend: "sysctl -w net.ipv4.ip_local_port_range=\"32768 60999\"")
    }

    private static func reuse(_ value: Int) -> Judgement {
        switch value {
        case 1: .ok("1: on")
        case 2: .ok("2: on for loopback")
        default:
            .note(
                "\(value): off",
                "A client that closes first cannot use that port again for a minute; servers do not mind.",
                mend: "sysctl -w net.ipv4.tcp_tw_reuse=1")
        }
    }

    /// From here on it is a matter of a burst.
    private static let trackedShare = 0.75

    private static func connectionTracking(_ facts: NetworkFacts) -> DoctorCheck {
        guard facts.tracks else { return CheckGroup.network.check("conntrack", .ok("no module is loaded")) }
        return CheckGroup.network.check("conntrack", facts.trackedConnections) { used, limit in
            let found = "\(Figure.count(UInt64(used))) of \(Figure.count(UInt64(limit))) connections tracked"
            guard Double(used) > Double(limit) * trackedShare else { return .ok(found) }
            return .warning(
                found, "When the table is full the kernel drops the packets of new connections.",
                mend: "sysctl -w net.netfilter.nf_conntrack_max=\(max(limit * 4, 262_144))")
        }
    }
}
#endif

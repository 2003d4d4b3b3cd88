#if Command
/// Congestion control, and who paces its packets.
enum PacingChecks {
    private static let cost =
        "Without fq, bbr arms a pacing timer for each send, which costs CPU."

    static func congestionControl(_ facts: NetworkFacts) -> DoctorCheck {
        CheckGroup.network.check("tcp_congestion_control", facts.congestionControl) { name in
            guard name.hasPrefix("bbr") else { return .ok(name) }
            if let unpaced = unpacedInterfaces(facts) {
                guard !unpaced.isEmpty else { return .ok("\(name), paced by fq") }
                let commands = unpaced.prefix(4).map { "tc qdisc replace dev \($0) root fq" }
                return .note(
                    "\(name) without fq on \(unpaced.joined(separator: ", "))", cost, mend: permanent + commands)
            }
            switch facts.defaultDiscipline {
            case .found("fq"): return .ok("\(name), and fq by default")
            case .found(let discipline):
                return .note("\(name), and \(discipline) by default, not fq", cost, mend: permanent)
            case .unknown(let reason):
                return .note("\(name); whether fq paces it is unknown: \(reason)", cost, mend: [])
            }
        }
    }

    private static let permanent = ["sysctl -w net.core.default_qdisc=fq"]

    /// Interfaces that send without fq; nil where the kernel did not tell. Loopback and the like have no queue, and so
    /// nothing that could be replaced.
    private static func unpacedInterfaces(_ facts: NetworkFacts) -> [String]? {
        facts.disciplines.value.map { disciplines in
            disciplines.filter { !$0.value.contains("fq") && !$0.value.isSubset(of: ["noqueue"]) }.keys
                .map(SystemFiles.shown).sorted()
        }
    }
}
#endif

#if Command
/// CPUs, their nodes, and the time that is granted on them.
enum ProcessorChecks {
    static func all(_ facts: ProcessorFacts, container: String?) -> [DoctorCheck] {
        let group = CheckGroup.processors
        return [
            group.check("allowed", facts.allowed) { allowed(Set($0).sorted(), facts.online.value) },
            quota(facts, container),
            group.check("nodes", facts.nodes) { nodes in
                let parts = nodes.keys.sorted().map { "node \($0): CPUs \(NumberList.text(nodes[$0] ?? []))" }
                return .ok(parts.isEmpty ? "one" : parts.joined(separator: "; "))
            },
            group.check("threads of a core", facts.sharesCores) { shares in
                shares
                    ? .note(
                        "two or more (SMT)",
                        "Two workers share a core, so both together do less than twice the work of one.")
                    : .ok("one")
            },
        ]
    }

    private static func allowed(_ cpus: [Int], _ online: [Int]?) -> Judgement {
        let list = NumberList.text(cpus)
        guard let online, online.count > cpus.count else {
            return cpus.count == 1
                ? .note("1, all there is", "There is one worker, which shares its CPU with all else.")
                : .ok("\(cpus.count), all there are: \(list)")
        }
        let found = "\(cpus.count) of \(online.count) by affinity or cpuset: \(list)"
        let cost = "A server has \(Figure.counted(cpus.count, "worker")) here; the other CPUs do nothing for it."
        let remedy = "taskset -pc \(NumberList.text(online)) $$"
        return cpus.count == 1 ? .warning(found, cost, mend: remedy) : .note(found, cost, mend: remedy)
    }

    private static func quota(_ facts: ProcessorFacts, _ container: String?) -> DoctorCheck {
        let both = facts.granted.flatMap { granted in facts.allowed.map { (granted: granted, allowed: $0.count) } }
        return CheckGroup.processors.check("quota", both) { granted, allowed in
            guard let granted else { return .ok("none") }
            let found = "\(Figure.counted(granted, "CPU")) of time by the control group"
            guard granted < allowed else { return .ok(found) }
            return .warning(
                "\(found), on \(allowed) CPUs",
                "More workers than that are all stopped together once the time is used up; by default a port starts "
                    + "\(granted).",
                mend: container == nil
                    ? "systemctl set-property UNIT CPUQuota=\(allowed * 100)%"
                    : "docker update --cpus \(allowed) CONTAINER")
        }
    }
}
#endif

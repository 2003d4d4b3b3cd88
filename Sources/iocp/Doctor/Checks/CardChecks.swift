#if Command
/// The network cards.
enum CardChecks {
    static func all(_ facts: CardFacts, _ processors: ProcessorFacts) -> [DoctorCheck] {
        switch facts.cards {
        case .unknown(let reason):
            return [CheckGroup.cards.check("all", Reading<Int>.unknown(reason)) { _ in .ok("") }]
        case .found(let cards) where cards.isEmpty:
            return [
                CheckGroup.cards.check(
                    "all",
                    .note(
                        "loopback and virtual interfaces only",
                        "Clients reach a server from this machine, or through a virtual interface.")
                )
            ]
        case .found(let cards):
            let rest = facts.restCount
            return cards.map { check($0, processors) }
                + (rest == 0 ? [] : [CheckGroup.cards.check("others", .ok("\(rest) more, not looked at"))])
        }
    }

    private static func check(_ card: CardFacts.Card, _ processors: ProcessorFacts) -> DoctorCheck {
        guard card.isUp else { return CheckGroup.cards.check(card.name, .ok("down")) }
        return CheckGroup.cards.check(card.name, card.receiveQueues) { queues in
            let cpus = processors.allowed.value?.count ?? 1
            let speed = card.speed.value.map { ", \(Figure.count(UInt64($0))) Mbit/s" } ?? ""
            let interrupts = card.interruptCPUs.value.map { ", interrupts on CPUs \(NumberList.text($0))" } ?? ""
            let found = Figure.counted(queues, "receive queue") + speed + interrupts
            if cpus > 1, queues == 1, !card.isSteered {
                return .note(
                    found, "One CPU takes every packet that comes in, before \(cpus) workers share the rest.",
                    mend: "ethtool -L \(card.name) combined \(cpus)",
                    "echo \(steering(processors)) > /sys/class/net/\(card.name)/queues/rx-0/rps_cpus")
            }
            if cpus > 1, queues > 1, card.interruptCPUs.value?.count == 1 {
                return .warning(
                    found, "All queues interrupt one CPU, which takes every packet that comes in.",
                    mend: "systemctl enable --now irqbalance")
            }
            return .ok(found)
        }
    }

    /// The allowed CPUs as the mask that rps_cpus takes: hexadecimal words of 32 CPUs, the highest first.
    private static func steering(_ processors: ProcessorFacts) -> String {
        let cpus = processors.allowed.value ?? [0]
        var words = [UInt32](repeating: 0, count: (cpus.max() ?? 0) / 32 + 1)
        for cpu in cpus { words[cpu / 32] |= 1 << UInt32(cpu % 32) }
        return words.reversed().enumerated().map { place, word in
            let digits = String(word, radix: 16)
            return place == 0 ? digits : String(repeating: "0", count: 8 - digits.count) + digits
        }.joined(separator: ",")
    }
}
#endif

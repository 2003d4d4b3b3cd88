#if Command
/// The network interfaces that have a device behind them, and how their interrupts are spread.
struct CardFacts {
    let cards: Reading<[Card]>
    /// Interfaces that were not looked at, because there are more than 32.
    let restCount: Int

    struct Card {
        let name: String
        let isUp: Bool
        let receiveQueues: Reading<Int>
        /// Mbit/s; unknown where the card does not tell.
        let speed: Reading<Int>
        /// CPUs that take its interrupts.
        let interruptCPUs: Reading<[Int]>
        /// Whether a queue hands packets on to other CPUs (receive packet steering).
        let isSteered: Bool
    }

    private static let mostCards = 32
    private static let mostInterrupts = 256

    init(_ files: SystemFiles) {
        let folder = "/sys/class/net"
        let names = files.names(in: folder).map { names in
            // Loopback, bridges, tunnels and the like have no device.
            names.filter { files.exists("\(folder)/\($0)/device") }
        }
        restCount = max(0, (names.value?.count ?? 0) - CardFacts.mostCards)
        cards = names.map { names in names.prefix(CardFacts.mostCards).map { CardFacts.card(files, folder, $0) } }
    }

    private static func card(_ files: SystemFiles, _ folder: String, _ name: String) -> Card {
        let own = "\(folder)/\(name)"
        let queues = files.names(in: own + "/queues").map { $0.filter { $0.hasPrefix("rx-") } }
        let steered = (queues.value ?? []).prefix(mostInterrupts).contains { queue in
            // A mask of CPUs in hexadecimal, with commas.
            files.word("\(own)/queues/\(queue)/rps_cpus").value?.contains { $0 != "0" && $0 != "," } ?? false
        }
        return Card(
            name: SystemFiles.shown(name), isUp: files.word(own + "/operstate").value == "up",
            receiveQueues: queues.map(\.count), speed: files.number(own + "/speed"),
            interruptCPUs: interruptCPUs(files, own), isSteered: steered)
    }

    private static func interruptCPUs(_ files: SystemFiles, _ own: String) -> Reading<[Int]> {
        // Of a virtio card they belong to the PCI device above.
        let folders = ["device/msi_irqs", "device/../msi_irqs"].map { files.names(in: "\(own)/\($0)") }
        guard let numbers = folders.compactMap(\.value).first, !numbers.isEmpty else {
            return .unknown("its interrupts are not listed")
        }
        var cpus: Set<Int> = []
        for number in numbers.prefix(mostInterrupts) where Number.parse(number) != nil {
            let folder = "/proc/irq/\(number)"
            let effective = files.list(folder + "/effective_affinity_list")
            cpus.formUnion(effective.value ?? files.list(folder + "/smp_affinity_list").value ?? [])
        }
        return cpus.isEmpty ? .unknown("the affinity of its interrupts cannot be read") : .found(cpus.sorted())
    }
}
#endif

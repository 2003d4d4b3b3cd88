#if Command
/// All that is known of a machine before anything is judged.
struct MachineFacts {
    let process: ProcessFacts
    let kernel: KernelFacts
    let threads: ThreadFacts
    let network: NetworkFacts
    let processors: ProcessorFacts
    let memory: MemoryFacts
    let confinement: ConfinementFacts
    let cards: CardFacts

    init(_ files: SystemFiles) {
        process = ProcessFacts(files)
        let groups = ControlGroups(files)
        kernel = KernelFacts(files)
        threads = ThreadFacts(files, process, groups)
        network = NetworkFacts(files)
        processors = ProcessorFacts(files, process)
        memory = MemoryFacts(files, groups)
        confinement = ConfinementFacts(files, process)
        cards = CardFacts(files)
    }

    var isRingOpen: Bool { kernel.ring.uring_result == 0 }
}
#endif

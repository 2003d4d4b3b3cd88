#if Command
import IOCP

/// Memory, and the pages it comes in.
enum MemoryChecks {
    static func all(_ facts: MachineFacts) -> [DoctorCheck] {
        let memory = facts.memory
        let workers = facts.processors.defaultWorkers ?? 1
        var checks = [
            CheckGroup.memory.check("available", memory.roomBytes) { room($0, memory) },
            hugePages(memory, pagesWanted(workers, facts.process.openFiles.value?.soft)),
            CheckGroup.memory.check("transparent huge pages", memory.transparent) { .ok($0) },
        ]
        // Of no matter to a server of some workers, so it is told where it is one.
        if let count = memory.mapCount.value, count < mappingsPerWorker * workers + spareMappings {
            checks.append(
                CheckGroup.memory.check(
                    "vm.max_map_count",
                    .warning(
                        Figure.count(UInt64(count)),
                        "\(Figure.counted(workers, "worker")) may find no room for a mapping.",
                        mend: "sysctl -w vm.max_map_count=65530")))
        }
        return checks
    }

    private static let mappingsPerWorker = 64
    private static let spareMappings = 1_024

    private static func room(_ room: Int, _ facts: MemoryFacts) -> Judgement {
        let total = facts.totalBytes.value.map { " of \(Figure.bytes(UInt64($0)))" } ?? ""
        let found = Figure.bytes(UInt64(room)) + total
        guard let group = facts.group.value ?? nil, group.limit < facts.totalBytes.value ?? .max else {
            return .ok(found)
        }
        return .note(
            "\(found); the control group's limit is \(Figure.bytes(UInt64(group.limit)))",
            "Connections count against that limit, with the kernel's memory for their sockets.")
    }

    // MARK: Huge pages

    private static let sendChunkBytes = 16 << 10
    private static let hugePageBytes = 2 << 20

    /// Receive buffers, send chunks and tables of workers of default sizes: what lies on huge pages.
    private static func pagesWanted(_ workers: Int, _ files: Int?) -> Int {
        let defaults = PortConfiguration()
        let bytes =
            defaults.receiveBufferBytes * defaults.receiveBuffersPerWorker
            + defaults.sendChunksPerWorker * sendChunkBytes
            + min(files ?? 0, CapacityChecks.mostPerWorker) * CapacityChecks.userBytes
        return workers * ((bytes + hugePageBytes - 1) / hugePageBytes)
    }

    private static func hugePages(_ facts: MemoryFacts, _ wanted: Int) -> DoctorCheck {
        CheckGroup.memory.check("huge pages", facts.hugePages) { total in
            let size = facts.hugePageBytes.value ?? hugePageBytes
            guard size == hugePageBytes else {
                return .note(
                    "\(total) of \(Figure.bytes(UInt64(size)))",
                    "Arenas are multiples of 2 MiB, and may find none that fit.")
            }
            let free = facts.hugePagesFree.value ?? total
            let cost = "Buffers lie on pages of 4 KiB, with more misses of the TLB."
            let remedy = "sysctl -w vm.nr_hugepages=\(wanted + max(0, total - free))"
            if total == 0 { return .note("none reserved", cost, mend: remedy) }
            let found = "\(free) of \(total) free, each \(Figure.bytes(UInt64(size)))"
            return free >= wanted ? .ok(found) : .note("\(found); \(wanted) are wanted", cost, mend: remedy)
        }
    }
}
#endif

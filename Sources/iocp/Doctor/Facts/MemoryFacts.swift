#if Command
/// Memory, huge pages, and what the control groups leave of them.
struct MemoryFacts {
    let totalBytes: Reading<Int>
    let availableBytes: Reading<Int>
    /// The least limit of the control groups, with what is used of it.
    let group: Reading<(limit: Int, used: Int?)?>
    let hugePages: Reading<Int>
    let hugePagesFree: Reading<Int>
    let hugePageBytes: Reading<Int>
    /// "always", "madvise" or "never".
    let transparent: Reading<String>
    let mapCount: Reading<Int>

    init(_ files: SystemFiles, _ groups: ControlGroups) {
        let lines = files.text("/proc/meminfo").map { $0.split(separator: "\n") }
        func field(_ name: String, unit: Int) -> Reading<Int> {
            lines.flatMap { lines in
                guard let line = lines.first(where: { $0.hasPrefix(name + ":") }),
                    let word = line.dropFirst(name.count + 1).split(whereSeparator: \.isWhitespace).first,
                    let value = Number.parse(word)
                else { return .unknown("/proc/meminfo does not tell \(name)") }
                return .found(min(value, Number.most / unit) * unit)
            }
        }
        totalBytes = field("MemTotal", unit: 1_024)
        availableBytes = field("MemAvailable", unit: 1_024)
        hugePages = field("HugePages_Total", unit: 1)
        hugePagesFree = field("HugePages_Free", unit: 1)
        hugePageBytes = field("Hugepagesize", unit: 1_024)
        group = groups.least(
            "memory", version2: "memory.max", version1: "memory.limit_in_bytes",
            used: ("memory.current", "memory.usage_in_bytes"))
        let path = "/sys/kernel/mm/transparent_hugepage/enabled"
        transparent = files.text(path).flatMap { text in
            let chosen = text.split(whereSeparator: \.isWhitespace).first { $0.hasPrefix("[") && $0.hasSuffix("]") }
            return chosen.map { .found(SystemFiles.shown($0.dropFirst().dropLast())) }
                ?? .unknown("\(path) does not tell what is chosen")
        }
        mapCount = files.number("/proc/sys/vm/max_map_count")
    }

    /// What a server may take: what is available, and no more than the control groups leave.
    var roomBytes: Reading<Int> {
        availableBytes.map { available in
            guard let group = group.value ?? nil else { return available }
            return min(available, max(0, group.limit - (group.used ?? 0)))
        }
    }
}
#endif

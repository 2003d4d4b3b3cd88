#if Command
import CIOCP

/// CPUs, what the process may have of them, and their NUMA nodes.
struct ProcessorFacts {
    let online: Reading<[Int]>
    let allowed: Reading<[Int]>
    /// How many CPUs' worth of time the control groups grant; nil where nothing limits it.
    let granted: Reading<Int?>
    /// Node by node, the allowed CPUs on it.
    let nodes: Reading<[Int: [Int]]>
    /// Whether cores run two threads each.
    let sharesCores: Reading<Bool>

    init(_ files: SystemFiles, _ process: ProcessFacts) {
        online = files.list("/sys/devices/system/cpu/online")
        allowed = files.isThisSystem ? ProcessorFacts.allowedHere() : process.cpusAllowed
        granted = files.text("/proc/self/cgroup").map { _ in
            let granted = unsafe Int(iocp_cpus_granted(files.root))
            return granted == 0 ? nil : granted
        }
        nodes =
            files.isThisSystem
            ? allowed.map { cpus in
                Dictionary(grouping: cpus) { Int(iocp_cpu_node(UInt32($0))) }
            } : allowed.flatMap { ProcessorFacts.nodes(files, of: $0) }
        sharesCores = files.number("/sys/devices/system/cpu/smt/active").map { $0 != 0 }
    }

    /// Workers that a port has by default: one per allowed CPU, at most what the control groups grant.
    var defaultWorkers: Int? { allowed.value.map { max(1, min($0.count, (granted.value ?? nil) ?? .max)) } }

    private static func allowedHere() -> Reading<[Int]> {
        var cpus = [UInt32](repeating: 0, count: 8_192)
        let count = unsafe iocp_cpus_allowed(&cpus, UInt32(cpus.count))
        guard count > 0 else { return .unknown("sched_getaffinity(2) failed") }
        return .found(cpus.prefix(Int(count)).map { Int($0) })
    }

    private static func nodes(_ files: SystemFiles, of allowed: [Int]) -> Reading<[Int: [Int]]> {
        let folder = "/sys/devices/system/node"
        return files.list(folder + "/online").map { nodes in
            var cpusOfNode: [Int: [Int]] = [:]
            for node in nodes.prefix(1_024) {
                let cpus = Set(files.list("\(folder)/node\(node)/cpulist").value ?? [])
                let own = allowed.filter(cpus.contains)
                if !own.isEmpty { cpusOfNode[node] = own }
            }
            return cpusOfNode
        }
    }
}
#endif

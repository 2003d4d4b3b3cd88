/// Which CPU each worker's thread is bound to.
///
/// Worker 0 has the first CPU of those that count, worker 1 the next one; more workers than CPUs share them in turn. Without
/// ``PortConfiguration/workers`` there is a worker for each, or as many as the quota of a cgroup pays for.
///
/// As text: "automatic", "every-cpu", "cores", "unbound", or CPUs as in `taskset -c`: "0,2,8-11".
///
/// A thread that a bound worker's thread creates inherits its one CPU (sched_setaffinity(2)). Tasks that a handler or a body
/// starts are spared that: such a start unbinds the thread until its next wait. For all else there is ``Worker/unbindThread()``.
public enum WorkerPlacement: Hashable, Sendable, LosslessStringConvertible {
    /// The CPUs that the process may run on, if there are as many workers; otherwise none is bound. Fewer would be bound to the
    /// same CPUs as the workers of every other port on the machine.
    case automatic
    /// The same CPUs, whatever the number of workers: choose the process' CPUs then (`taskset(1)`).
    case everyCPU
    /// One CPU of each core: of the threads that share one (SMT) the others stay free for what is not a worker.
    case physicalCores
    /// These CPUs in this order: 1 to 1,024 of those that the process may run on, each once.
    case cpus([Int])
    /// None is bound: the scheduler places them.
    case unbound

    /// The text of one; nil for any other. A range has its lower end first. Whether the process may run on a CPU is not looked at.
    public init?(_ description: String) {
        switch description {
        case "automatic": self = .automatic
        case "every-cpu": self = .everyCPU
        case "cores": self = .physicalCores
        case "unbound": self = .unbound
        default:
            guard let cpus = Self.listed(description) else { return nil }
            self = .cpus(cpus)
        }
    }

    public var description: String {
        switch self {
        case .automatic: "automatic"
        case .everyCPU: "every-cpu"
        case .physicalCores: "cores"
        case .cpus(let cpus): cpus.map(String.init).joined(separator: ",")
        case .unbound: "unbound"
        }
    }

    /// More than any machine has, so that a text cannot ask for much memory.
    private static let cpusMax = 8192

    private static func listed(_ text: String) -> [Int]? {
        var cpus: [Int] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Self.number($0) }
            guard ends.count <= 2, let first = ends[0], let last = ends[ends.count - 1], first <= last else {
                return nil
            }
            guard cpus.count + (last - first) < cpusMax else { return nil }
            cpus += first...last
        }
        return cpus
    }

    private static func number(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.allSatisfy({ $0.isASCII && $0.isNumber }), let value = Int(text), value < cpusMax
        else {
            return nil
        }
        return value
    }
}

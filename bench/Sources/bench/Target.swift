/// What the project set out to reach, as data: a figure of iocp, or its ratio over another server, and its bound.
struct Target {
    /// What a target is about.
    enum Figure: String, Codable {
        case cpu = "CPU/message"
        case latencyP99 = "p99"
        case latencyP999 = "p99.9"
        case userBytesPerConnection = "user memory/connection"
        case kernelEntriesPerMessage = "kernel entries/message"
        case allocationsPerMessage = "allocations/message"
    }

    let workloads: [String]
    let figure: Figure
    /// The other server of a ratio; `nil` for a figure of iocp's own.
    var over: String? = nil
    let atMost: Double

    static let all: [Target] = [
        Target(workloads: ["echo-1000"], figure: .cpu, over: "epoll", atMost: 0.85),
        Target(workloads: ["echo-1000"], figure: .cpu, over: "nio", atMost: 0.55),
        Target(workloads: ["echo-1000"], figure: .cpu, over: "nio-async", atMost: 0.30),
        Target(workloads: ["echo-100"], figure: .cpu, over: "epoll", atMost: 0.80),
        Target(workloads: ["pipelined-16"], figure: .cpu, over: "epoll", atMost: 0.70),
        Target(workloads: ["pipelined-16"], figure: .cpu, over: "nio", atMost: 0.50),
        Target(workloads: ["echo-64k", "stream-1m"], figure: .cpu, over: "epoll", atMost: 0.95),
        Target(workloads: ["unix-1000", "unix-pipelined-16"], figure: .cpu, over: "epoll", atMost: 0.80),
        Target(workloads: ["fan-out-10000"], figure: .cpu, over: "epoll", atMost: 0.80),
        Target(workloads: ["fan-out-10000"], figure: .cpu, over: "nio", atMost: 0.45),
        Target(workloads: ["churn"], figure: .cpu, over: "epoll", atMost: 0.95),
        Target(workloads: ["rate-50"], figure: .latencyP99, over: "epoll", atMost: 0.80),
        Target(workloads: ["rate-50"], figure: .latencyP999, over: "nio", atMost: 0.80),
        Target(workloads: Workload.all.map(\.name), figure: .cpu, over: "uring", atMost: 1.05),
        Target(workloads: ["active-100"], figure: .userBytesPerConnection, atMost: 256),
        Target(workloads: ["echo-1000"], figure: .kernelEntriesPerMessage, atMost: 0.05),
        Target(workloads: ["echo-1000"], figure: .allocationsPerMessage, atMost: 0),
    ]
}

extension Target.Figure {
    /// The figure of a slice; `nil` for what there is one of only.
    var ofSlice: KeyPath<Slice, Double>? {
        switch self {
        case .cpu: \.serverCPUMicrosecondsPerMessage
        case .latencyP99: \.latencyP99Microseconds
        case .latencyP999: \.latencyP999Microseconds
        case .userBytesPerConnection, .kernelEntriesPerMessage, .allocationsPerMessage: nil
        }
    }

    /// The figure there is one of; `nil` where it was not found.
    func value(in entry: Schedule.Entry) -> Double? {
        switch self {
        case .userBytesPerConnection: entry.holding?.userBytesPerConnection
        case .kernelEntriesPerMessage: entry.counts?.kernelEntriesPerMessage
        case .allocationsPerMessage: entry.counts?.allocationsPerMessage
        case .cpu, .latencyP99, .latencyP999: nil
        }
    }
}

/// What the load does to a server, and which contenders it is done to.
///
/// A new workload is one entry in `all`.
struct Workload {
    /// Stable: `--only`, the JSON report and the documents use it.
    let name: String
    let summary: String
    let connections: Int
    /// Connections that are kept busy; `nil` means all of them.
    var active: Int? = nil
    var messageBytes = 64
    /// Messages each busy connection has outstanding.
    var depth = 1
    /// What the load needs beyond the options above.
    var loadOptions: [String] = []
    /// Names of contenders, in the order in which they take turns.
    let contenders: [String]

    static let all: [Workload] = [
        Workload(
            name: "echo-1000",
            summary: "1,000 connections, all busy, 64-byte echo",
            connections: 1_000,
            contenders: ["iocp", "epoll", "poll", "select", "threads"]),
        Workload(
            name: "active-100",
            summary: "18,000 connections, 100 of them busy, 64-byte echo",
            connections: 18_000, active: 100,
            contenders: ["iocp", "epoll", "poll", "select", "threads"]),
        Workload(
            name: "held-20000",
            summary: "20,400 connections held, 100 of them busy, 64-byte echo",
            connections: 20_400, active: 100,
            contenders: ["iocp", "epoll", "poll", "select"]),
        Workload(
            name: "held-40000",
            summary: "40,000 connections in one process, each of them echoing",
            connections: 40_000,
            contenders: ["iocp"]),
    ]
}

/// Names the load generator, `iocp stress`, on the command line.
struct LoadGenerator {
    /// Path of the `iocp` command.
    let program: String

    /// One of its rings can hold fewer connections than RLIMIT_NOFILE commonly allows.
    private static let connectionsPerRing = 15_000

    /// Seconds within which all connections must be up.
    static let connectSeconds = 20

    func command(
        for workload: Workload, connections: Int, host: String, port: String, seconds: Int
    ) -> [String] {
        let rings = (connections + Self.connectionsPerRing - 1) / Self.connectionsPerRing
        var command = [
            program, "stress", "--host", host, "--port", port,
            "--connections", "\(connections)", "--size", "\(workload.messageBytes)",
            "--depth", "\(workload.depth)", "--duration", "\(seconds)", "--workers", "\(rings)",
            "--connect-timeout", "\(Self.connectSeconds)",
        ]
        if let active = workload.active {
            command += ["--active", "\(min(active, connections))"]
        }
        return command + workload.loadOptions + ["--json"]
    }
}

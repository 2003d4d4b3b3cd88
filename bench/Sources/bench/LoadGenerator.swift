/// Names the load generator, `iocp stress`, on the command line.
struct LoadGenerator {
    /// Path of the `iocp` command.
    let program: String

    /// One of its rings can hold fewer connections than RLIMIT_NOFILE commonly allows.
    private static let connectionsPerRing = 15_000

    /// Seconds within which all connections must be up.
    static let connectSeconds = 20

    /// - Parameters:
    ///   - rate: messages a second, for an open loop.
    ///   - address: the server's; `nil` in a report.
    func command(
        for workload: Workload, connections: Int, rate: Int?, at address: ServerAddress?, seconds: Int
    ) -> [String] {
        let rings = (connections + Self.connectionsPerRing - 1) / Self.connectionsPerRing
        var command = [
            program, "stress",
        ]
        command += ServerAddress.loading(address, workload.transport)
        command += [
            "--connections", "\(connections)", "--size", "\(workload.messageBytes)",
            "--duration", "\(seconds)", "--workers", "\(rings)",
            "--connect-timeout", "\(Self.connectSeconds)",
        ]
        switch workload.kind {
        case .echo(let depth): command += ["--depth", "\(depth)"]
        case .rate: command += ["--rate", rate.map(String.init) ?? "RATE"]
        case .churn: command += ["--churn"]
        case .fanOut(let depth): command += ["--fan-out", "--depth", "\(depth)"]
        }
        if let active = workload.active {
            command += ["--active", "\(min(active, connections))"]
        }
        return command + ["--json"]
    }
}

/// Names the load generator, `iocp stress`, on the command line.
struct LoadGenerator {
    /// Path of the `iocp` command.
    let program: String

    enum Time {
        case once(seconds: Int)
        /// When its stdin says so; with the CPU time of that process, which is `nil` in a report.
        case byTurns(server: Int32?)
    }

    /// Seconds within which all connections must be up.
    static let connectSeconds = 20

    /// - Parameters:
    ///   - rate: messages a second, for an open loop.
    ///   - address: the server's; `nil` in a report.
    ///   - time: when it measures.
    func command(
        for workload: Workload, connections: Int, rate: Int?, at address: ServerAddress?, _ time: Time
    ) -> [String] {
        var command = [
            program, "stress",
        ]
        command += ServerAddress.loading(address, workload.transport)
        command += [
            "--connections", "\(connections)", "--size", "\(workload.messageBytes)",
            // One thread for its one core: two would wait for each other.
            "--workers", "1", "--connect-timeout", "\(Self.connectSeconds)",
        ]
        switch time {
        case .once(let seconds): command += ["--duration", "\(seconds)"]
        case .byTurns(let server): command += ["--by-turns", "--server-pid", server.map { "\($0)" } ?? "PID"]
        }
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

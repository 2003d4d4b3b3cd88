#if Command
/// What must be true of a server whose peers have all gone.
extension Verdict {
    /// Waits up to 5 s for the last connection to close, looks at everything the server could still hold, lets a new
    /// client echo, and stops it.
    /// - Parameter idle: how many descriptors it had before its first connection.
    mutating func requireNothingHeld(by server: ServerProcess, descriptors idle: Int) throws {
        let drained = wait(within: .seconds(5)) { server.counters.connections == 0 }
        require(drained != nil, "\(server.counters.connections) connections are still open")
        var report = try server.report()
        // A slot is given back after the connection is counted as closed.
        _ = try wait(within: .seconds(1)) {
            report = try server.report()
            return ServerReport.holdingNames.allSatisfy { report[$0] == 0 }
        }
        for name in ServerReport.holdingNames {
            require(report[name] == 0, "\(report[name] ?? -1) \(name) are still held")
        }
        let counters = server.counters
        require(
            counters.accepted == counters.closed,
            "accepted \(counters.accepted), closed \(counters.closed)")
        add("\(counters.accepted) accepted, \(counters.closed) closed, 0 left")
        require(counters.unsentBytes == 0, "\(counters.unsentBytes) unsent bytes are still counted")
        require(
            report["opened"] == report["closed"], "opened \(report["opened"] ?? -1), closed \(report["closed"] ?? -1)")
        let descriptors = try server.openDescriptors()
        require(descriptors == idle, "\(descriptors) descriptors instead of \(idle)")
        try requireService(by: server)
        let last = try server.stop()
        require(ServerReport.holdingNames.allSatisfy { last[$0] == 0 }, "held at the end: \(last)")
    }

    /// A new client is served at once.
    private mutating func requireService(by server: ServerProcess) throws {
        let start = ContinuousClock.now
        let crowd = try Crowd(port: server.port, count: 1)
        let served = try crowd.ask(within: .seconds(1))
        require(served != nil, "a new client is not served within 1 s")
        add("a new client served in \((ContinuousClock.now - start).text)")
    }
}
#endif

import IOCP

/// A load from its first connection to its last, seen from the main thread.
struct LoadRun {
    let plan: LoadPlan
    let connectTimeout: Duration
    let duration: Duration
    /// Where the lines go that tell when measuring begins and ends.
    let announce: (String) -> Void

    private static let progressInterval: Duration = .seconds(1)
    /// How long what is outstanding at the end may take to be answered, and then how long a worker to notice that it
    /// is over: both far longer than anything that works.
    private static let drainWithin: Duration = .seconds(5)
    private static let deliverWithin: Duration = .seconds(10)

    /// - Throws: when the workers cannot start. What goes wrong later is in the report.
    func perform() throws -> LoadReport {
        let monitor = LoadMonitor(plan)
        switch plan.mode {
        case .echo(let depth):
            return try perform(monitor) { [plan] worker throws(IOCPError) in
                try LoadEcho(plan, depth: depth, monitor, worker)
            }
        case .rate(let perSecond):
            let pacer = LoadPacer(workers: plan.workers)
            return try perform(monitor, pacer) { [plan] worker throws(IOCPError) in
                try LoadRate(plan, perSecond: perSecond, monitor, pacer, worker)
            }
        case .churn:
            return try perform(monitor) { [plan] worker throws(IOCPError) in
                try LoadChurn(plan, monitor, worker)
            }
        case .fanOut(let depth):
            let board = LoadFanOutBoard(depth: depth)
            return try perform(monitor) { [plan] worker throws(IOCPError) in
                try LoadFanOut(plan, depth: depth, monitor, board, worker)
            }
        }
    }

    private func perform<Handler: ConnectionHandler>(
        _ monitor: LoadMonitor, _ pacer: LoadPacer? = nil,
        handler: @escaping @Sendable (Worker) throws(IOCPError) -> Handler
    ) throws -> LoadReport {
        let client = try IOCPClient(plan.portConfiguration, handler: handler)
        client.port.warnAboutFallback()
        let report: LoadReport
        if let pacer {
            report = try pacer.run(on: client.port) { () throws(IOCPError) in try measure(on: client.port, monitor) }
        } else {
            report = try measure(on: client.port, monitor)
        }
        // Aborts, so that no connection that was held is left in TIME_WAIT.
        monitor.end()
        client.stop()
        try client.wait()
        return report
    }

    private func measure(on port: CompletionPort, _ monitor: LoadMonitor) throws(IOCPError) -> LoadReport {
        guard connect(monitor) else {
            let late = monitor.faults.isEmpty ? lateness(monitor) : nil
            return LoadReport(plan, established: monitor.establishedSoFar, LoadResult(), monitor.faults, failure: late)
        }
        announce("connections established: \(plan.connections)")
        try order(.begin, on: port)
        _ = monitor.wait(until: .now + duration) { monitor.isPointless }
        try order(.cease, on: port)
        // After a fault nobody can tell what will still be answered.
        _ = monitor.wait(until: .now + LoadRun.drainWithin) {
            monitor.results.count == plan.workers || !monitor.faults.isEmpty
        }
        try order(.finish, on: port)
        let delivered = monitor.wait(until: .now + LoadRun.deliverWithin) { monitor.results.count == plan.workers }

        var result = LoadResult()
        for part in monitor.results { result += part }
        let report = LoadReport(
            plan, established: plan.connections, result, monitor.faults,
            failure: delivered ? nil : "a worker of the load does not answer; its figures are missing")
        announce(report.throughputLine)
        return report
    }

    /// Returns whether every connection is up and was used.
    private func connect(_ monitor: LoadMonitor) -> Bool {
        let deadline = ContinuousClock.now + connectTimeout
        var progressDue = ContinuousClock.now + LoadRun.progressInterval
        while true {
            _ = monitor.wait(until: min(deadline, progressDue)) {
                monitor.establishedSoFar == plan.connections || !monitor.faults.isEmpty
            }
            guard monitor.faults.isEmpty else { return false }
            if monitor.establishedSoFar == plan.connections { return true }
            if deadline <= .now { return false }
            if progressDue <= .now {
                Console.note("connecting: \(monitor.establishedSoFar) of \(plan.connections)")
                progressDue = .now + LoadRun.progressInterval
            }
        }
    }

    private func lateness(_ monitor: LoadMonitor) -> String {
        let (connected, established) = (monitor.connectedSoFar, monitor.establishedSoFar)
        let within = "within \(connectTimeout / .seconds(1)) s"
        if connected >= plan.connections {
            let missing = "\(plan.connections - established) of \(plan.connections)"
            if case .fanOut = plan.mode {
                return "\(missing) subscribers received nothing \(within): does \(plan.target) fan out frames of "
                    + "\(plan.messageBytes) bytes?"
            }
            return "\(missing) connections echoed nothing \(within): is \(plan.target) an echo server?"
        }
        return "\(connected) of \(plan.connections) connections to \(plan.target) were up \(within): "
            + "the server is slow to accept or full; raise --connect-timeout or ask for fewer"
    }

    private func order(_ order: LoadOrder, on port: CompletionPort) throws(IOCPError) {
        for worker in 0..<plan.workers { try port.post(order.rawValue, toWorker: worker) }
    }
}

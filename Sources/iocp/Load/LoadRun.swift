#if Command
import IOCP

/// A load from its first connection to its last, seen from the main thread.
struct LoadRun {
    let plan: LoadPlan
    let connectTimeout: Duration
    let duration: Duration
    /// Where the lines go that tell when measuring begins and ends.
    let announce: (String) -> Void
    /// Where the figures of each turn go.
    let announceTurn: (LoadReport) -> Void
    let signals: TerminationSignals
    /// Whether it measures when stdin says so, in place of once for its duration.
    let goesByTurns: Bool

    private static let progressInterval: Duration = .seconds(1)
    /// How long what is outstanding at the end may take to be answered, and then how long a worker to notice that it
    /// is over: both far longer than anything that works.
    private static let drainWithin: Duration = .seconds(5)
    /// The same thing is waited for again after it.
    private static let restMax: Duration = .seconds(3_600)
    private static let deliverWithin: Duration = .seconds(10)
    /// The same for a load that was interrupted: somebody waits at the terminal.
    private static let drainWithinInterrupted: Duration = .seconds(1)
    /// How long the same failure may take to reach every connection, so that all of them are counted.
    private static let settleWithin: Duration = .seconds(1)

    /// - Throws: when the workers cannot start. What goes wrong later is in the report.
    func perform() throws -> LoadReport {
        let monitor = LoadMonitor(plan)
        signals.onFirst { monitor.interrupt(by: $0) }
        // One pattern for all workers: of large messages it holds 70 MiB.
        let pattern = try LoadPattern(messageBytes: plan.messageBytes, isSent: plan.mode.sendsPattern)
        switch plan.mode {
        case .echo(let depth):
            return try perform(monitor) { [plan] worker throws(IOCPError) in
                LoadEcho(plan, pattern, depth: depth, monitor, worker)
            }
        case .rate(let perSecond):
            let pacer = LoadPacer(workers: plan.workers)
            return try perform(monitor, pacer) { [plan] worker throws(IOCPError) in
                LoadRate(plan, pattern, perSecond: perSecond, monitor, pacer, worker)
            }
        case .churn:
            return try perform(monitor) { [plan] worker throws(IOCPError) in
                LoadChurn(plan, pattern, monitor, worker)
            }
        case .fanOut(let depth):
            let board = LoadFanOutBoard(depth: depth)
            return try perform(monitor) { [plan] worker throws(IOCPError) in
                LoadFanOut(plan, pattern, depth: depth, monitor, board, worker)
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
            if !monitor.faults.isEmpty { monitor.settle(nil, within: LoadRun.settleWithin) }
            let late = monitor.faults.isEmpty && monitor.interruption == nil ? lateness(monitor) : nil
            return LoadReport(
                plan, established: monitor.establishedSoFar, LoadResult(), monitor.faults,
                interruption: monitor.interruption, failure: late)
        }
        announce("connections established: \(plan.connections)")
        if goesByTurns { return try takeTurns(on: port, monitor) }
        try order(.begin, on: port)
        watch(port, monitor)
        if monitor.isPointless { monitor.settle(plan.connectionsOfAll, within: LoadRun.settleWithin) }
        try order(.cease, on: port)
        // After a fault nobody can tell what will still be answered.
        let drain = monitor.interruption == nil ? LoadRun.drainWithin : LoadRun.drainWithinInterrupted
        _ = monitor.wait(until: .now + drain) { monitor.results.count == plan.workers || !monitor.faults.isEmpty }
        try order(.finish, on: port)
        let delivered = monitor.wait(until: .now + LoadRun.deliverWithin) { monitor.results.count == plan.workers }

        var result = LoadResult()
        for part in monitor.results { result += part }
        let report = LoadReport(
            plan, established: plan.connections, result, monitor.faults, interruption: monitor.interruption,
            failure: delivered ? nil : "a worker of the load does not answer; its figures are missing")
        announce(report.throughputLine)
        return report
    }

    /// Takes a turn for each line of stdin, and rests in between: nothing is sent then, and no thread wakes up.
    /// - Returns: the figures of all turns together.
    private func takeTurns(on port: CompletionPort, _ monitor: LoadMonitor) throws(IOCPError) -> LoadReport {
        let lines = LoadTurnLines(waking: monitor)
        var total = LoadResult()
        var failure: String?
        while failure == nil {
            _ = monitor.wait(until: .now + LoadRun.restMax) { lines.hasNews || ends(monitor) }
            guard !ends(monitor), let line = lines.next() else { break }
            guard let turn = LoadTurn(line: line) else {
                failure =
                    "stdin: '\(line.prefix(40))' is no turn: write two numbers, milliseconds to settle and to measure"
                break
            }
            guard let result = try take(turn, on: port, monitor) else {
                failure = "what was outstanding at the end of a turn did not come back within \(LoadRun.drainWithin)"
                break
            }
            if turn.measured > .zero { total.append(result) }
            guard !ends(monitor) else { break }
            announceTurn(LoadReport(plan, established: plan.connections, result, monitor.faults, goesByTurns: true))
        }
        return LoadReport(
            plan, established: plan.connections, total, monitor.faults, interruption: monitor.interruption,
            failure: failure, goesByTurns: true)
    }

    private func ends(_ monitor: LoadMonitor) -> Bool { !monitor.faults.isEmpty || monitor.interruption != nil }

    /// Returns `nil` where the turn does not come to its end, though nothing is known to be wrong.
    private func take(_ turn: LoadTurn, on port: CompletionPort, _ monitor: LoadMonitor) throws(IOCPError)
        -> LoadResult?
    {
        try order(.begin, on: port)
        _ = monitor.wait(until: .now + turn.settling) { ends(monitor) }
        if turn.measured > .zero {
            try order(.settled, on: port)
            _ = monitor.wait(until: .now + turn.measured) { ends(monitor) }
        }
        try order(.pause, on: port)
        let hasPaused = monitor.wait(until: .now + LoadRun.drainWithin) {
            monitor.results.count == plan.workers || ends(monitor)
        }
        guard hasPaused else { return nil }
        var result = LoadResult()
        for part in monitor.takeResults() { result += part }
        return result
    }

    /// Waits while the load is measured, and shows how far it is.
    private func watch(_ port: CompletionPort, _ monitor: LoadMonitor) {
        let end = ContinuousClock.now + duration
        var progress = LoadProgress(port, plan, duration)
        while !monitor.isPointless, monitor.interruption == nil, .now < end {
            _ = monitor.wait(until: min(end, progress.due)) { monitor.isPointless || monitor.interruption != nil }
            progress.showIfDue()
        }
        progress.clear()
    }

    /// Returns whether every connection is up and was used.
    private func connect(_ monitor: LoadMonitor) -> Bool {
        let deadline = ContinuousClock.now + connectTimeout
        var progressDue = ContinuousClock.now + LoadRun.progressInterval
        while true {
            _ = monitor.wait(until: min(deadline, progressDue)) {
                monitor.establishedSoFar == plan.connections || !monitor.faults.isEmpty || monitor.interruption != nil
            }
            guard monitor.faults.isEmpty, monitor.interruption == nil else { return false }
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
#endif

import Glibc

/// One run of the load against one server, with the samples taken at its turning points.
struct LoadRun {
    /// The samples that bracket the measurement, and so what they are differences of.
    struct Moment {
        var time: ContinuousClock.Instant
        var serverCPU: Duration
        var loadCPU: Duration
        /// Of the CPUs the two of them run on.
        var idle: Duration
    }

    /// Taken while every connection is up and has been used.
    struct Holding {
        var connectionsInBacklog: Int
        var residentBytes: Int
        var kernelBytes: Int
        var openDescriptors: Int
        var threads: Int
    }

    var report: StressReport
    var start: Moment
    var end: Moment
    var holding: Holding

    /// A little longer than the load itself is told to wait: its own words say more.
    private static let connectWithin: Duration = .seconds(LoadGenerator.connectSeconds + 5)
    private static let endWithin: Duration = .seconds(10)

    /// Runs `command` against `server` and returns when it has ended.
    /// - Throws: `Failure` when either process fails, the load does not end in time, or it saw
    ///   a wrong byte or an unexpected close.
    static func perform(
        command: [String], placement: Placement, server: ServerProcess, seconds: Int
    ) throws -> LoadRun {
        let load = try ChildProcess(command: command, cpu: placement.load)
        defer { load.stop() }
        var watch = Watch(
            load: load, server: server, cpus: placement.cpus, measured: .seconds(seconds))
        try watch.run()
        return try watch.result()
    }

    /// The state of a run that is under way.
    private struct Watch {
        let load: ChildProcess
        let server: ServerProcess
        let cpus: Set<Int>
        let measured: Duration

        private var printed = ""
        private var start: Moment?
        private var end: Moment?
        private var holding: Holding?

        init(load: ChildProcess, server: ServerProcess, cpus: Set<Int>, measured: Duration) {
            self.load = load
            self.server = server
            self.cpus = cpus
            self.measured = measured
        }

        mutating func run() throws {
            var limit = ContinuousClock.now + connectWithin
            while true {
                // Memory is sampled late in the measurement: a connection that was used costs more
                // than one that was only accepted.
                let holdingDue = holding == nil ? start.map { $0.time + measured * 0.75 } : nil
                let event = try ChildProcess.nextEvent(
                    of: [load, server.child], before: min(limit, holdingDue ?? limit))
                switch event {
                case .line(let child, .errors, let line) where child === load:
                    if line.hasPrefix("connections established:") {
                        start = try moment()
                        limit = .now + measured + endWithin
                    } else if line.hasPrefix("throughput:") {
                        end = try moment()
                    }
                case .line(let child, .output, let line) where child === load:
                    printed += line
                case .line:
                    continue
                case .closed(let child):
                    guard child === load else { throw server.unexpectedEnd() }
                    return
                case .deadline:
                    if let holdingDue, holdingDue <= .now {
                        holding = try sampleHolding()
                    } else {
                        throw overdue()
                    }
                }
            }
        }

        func result() throws -> LoadRun {
            // Before the wait for the load's ending, so that a load without a closing line is
            // bracketed as closely as it can be.
            let closingTime = ContinuousClock.now
            let closingServerCPU = ProcessSample.cpuTime(of: server.child.pid)
            let closingIdle = try ProcessSample.idleTime(of: cpus)
            guard let ending = load.awaitEnding(patience: LoadRun.endWithin) else {
                throw Failure("the load closed its outputs but did not end")
            }
            // A server's crash is the cause of whatever errors the load then reports.
            if server.child.awaitEnding(patience: .zero) != nil { throw server.unexpectedEnd() }
            try check(ending)
            let report = try StressReport(json: printed)
            guard report.messages > 0 else { throw Failure("no message came back") }
            guard let start else { throw Failure("the load never said that it is connected") }
            guard let holding else { throw Failure("the load ended before memory was sampled") }
            guard let closingServerCPU else { throw server.unexpectedEnd() }
            let closing = Moment(
                time: closingTime, serverCPU: closingServerCPU, loadCPU: ending.cpuTime,
                idle: closingIdle)
            return LoadRun(report: report, start: start, end: end ?? closing, holding: holding)
        }

        private func check(_ ending: ChildProcess.Ending) throws {
            let report = try? StressReport(json: printed)
            if let report, report.mismatches > 0 {
                throw Failure("\(report.mismatches) mismatches: echoed bytes differ from those sent")
            }
            if let report, report.errors > 0 {
                throw Failure(
                    "\(report.errors) errors with \(report.established) of \(report.connections) "
                        + "connections established" + words)
            }
            guard ending.exitStatus == 0 else {
                throw Failure("the load ended with \(ending.description)" + words)
            }
        }

        private var words: String {
            load.lastError.map { " (\($0))" } ?? ""
        }

        private func overdue() -> Failure {
            start == nil
                ? Failure("connections were not up within \(LoadRun.connectWithin)" + words)
                : Failure("the load did not end \(LoadRun.endWithin) after its time" + words)
        }

        private func moment() throws -> Moment {
            let time = ContinuousClock.now
            guard let serverCPU = ProcessSample.cpuTime(of: server.child.pid) else {
                throw server.unexpectedEnd()
            }
            guard let loadCPU = ProcessSample.cpuTime(of: load.pid) else {
                throw Failure("the load ended during the run" + words)
            }
            return Moment(
                time: time, serverCPU: serverCPU, loadCPU: loadCPU,
                idle: try ProcessSample.idleTime(of: cpus))
        }

        private func sampleHolding() throws -> Holding {
            let pid = server.child.pid
            return Holding(
                connectionsInBacklog: try ProcessSample.connectionsInBacklog(of: server.address),
                residentBytes: try ProcessSample.residentBytes(of: pid),
                kernelBytes: try ProcessSample.kernelBytes(),
                openDescriptors: try ProcessSample.openDescriptors(of: pid),
                threads: try ProcessSample.threads(of: pid))
        }
    }
}

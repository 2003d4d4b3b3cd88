import Glibc

/// A load that holds its connections and measures when it is told to; between its turns it sends nothing.
final class LoadProcess {
    private let child: ChildProcess
    private let server: ServerProcess

    /// A little longer than the load itself is told to wait: its own words say more.
    private static let connectWithin: Duration = .seconds(LoadGenerator.connectSeconds + 5)
    /// Beyond the time of a turn, for its last answers and its line.
    private static let answerWithin: Duration = .seconds(15)

    /// Returns once every connection is up and was used.
    /// - Throws: `Failure` when either process fails or the connections are not up in time.
    init(command: [String], cpu: Int, server: ServerProcess) throws {
        child = try ChildProcess(command: command, cpu: cpu)
        self.server = server
        do {
            _ = try line(of: .errors, beginning: "connections established:", within: Self.connectWithin) {
                Failure("connections were not up within \(Self.connectWithin)" + self.words)
            }
        } catch {
            child.stop()
            throw error
        }
    }

    deinit {
        child.stop()
    }

    var pid: pid_t { child.pid }

    /// Lets it send, and returns when the last answer is there.
    /// - Parameter measured: zero, and nothing is measured.
    /// - Throws: `Failure` when either process fails, or the load saw a wrong byte or an unexpected close.
    func turn(settling: Duration, measured: Duration) throws -> StressReport {
        child.say("\(Int(settling / .milliseconds(1))) \(Int(measured / .milliseconds(1)))")
        return try report(within: settling + measured + Self.answerWithin)
    }

    /// Ends it.
    /// - Returns: the figures of all its turns together.
    func end() throws -> StressReport {
        child.endInput()
        let report = try report(within: Self.answerWithin)
        guard let ending = child.awaitEnding(patience: Self.answerWithin), ending.exitStatus == 0 else {
            throw Failure("the load did not end as it should" + words)
        }
        return report
    }

    private func report(within limit: Duration) throws -> StressReport {
        let report = try StressReport(
            json: try line(of: .output, beginning: "{", within: limit) {
                Failure("the load did not end its turn in time" + self.words)
            })
        // A server's crash is the cause of whatever errors the load then reports.
        if report.errors > 0, server.child.awaitEnding(patience: .milliseconds(100)) != nil {
            throw server.unexpectedEnd()
        }
        if report.mismatches > 0 {
            throw Failure("\(report.mismatches) mismatches: echoed bytes differ from those sent")
        }
        if report.errors > 0 {
            throw Failure(
                "\(report.errors) errors with \(report.established) of \(report.connections) connections established"
                    + words)
        }
        return report
    }

    private func line(
        of stream: ChildProcess.Stream, beginning: String, within limit: Duration, late: () -> Failure
    ) throws -> String {
        let deadline = ContinuousClock.now + limit
        while true {
            switch try ChildProcess.nextEvent(of: [child, server.child], before: deadline) {
            case .line(let said, stream, let line) where said === child && line.hasPrefix(beginning): return line
            case .line: continue
            case .deadline: throw late()
            case .closed(let closed):
                guard closed === child, server.child.awaitEnding(patience: .zero) == nil else {
                    throw server.unexpectedEnd()
                }
                throw Failure("the load ended" + words)
            }
        }
    }

    private var words: String {
        child.lastError.map { " (\($0))" } ?? ""
    }
}

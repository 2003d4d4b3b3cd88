import Foundation

/// A server under test: started, ready on a port of the kernel's choice or an abstract name, and stopped.
final class ServerProcess {
    let child: ChildProcess
    let address: ServerAddress

    /// Returns once the server printed its ready line, `listening on HOST:PORT ...` or `listening on @NAME ...`.
    init(command: [String], cpu: Int, readyWithin: Duration = .seconds(10)) throws {
        let child = try ChildProcess(command: command, cpu: cpu)
        do {
            address = try Self.awaitReady(child, within: readyWithin)
        } catch {
            child.stop()
            throw error
        }
        self.child = child
    }

    deinit {
        child.stop()
    }

    /// - Throws: `Failure` when it does not end with status 0 on SIGTERM.
    func stop(patience: Duration = .seconds(5)) throws {
        let ending = child.stop(patience: patience)
        guard ending.exitStatus == 0 else {
            throw Failure("server ended with \(ending.description) on SIGTERM" + Self.words(child))
        }
    }

    /// The sentence for a server that ended by itself.
    func unexpectedEnd() -> Failure {
        let ending = child.awaitEnding(patience: .seconds(1))?.description ?? "closed outputs"
        return Failure("server ended during the run: \(ending)" + Self.words(child))
    }

    private static func awaitReady(_ child: ChildProcess, within readyWithin: Duration) throws -> ServerAddress {
        let deadline = ContinuousClock.now + readyWithin
        while true {
            switch try ChildProcess.nextEvent(of: [child], before: deadline) {
            case .line(_, .output, let line):
                guard let address = ServerAddress(readyLine: line) else {
                    throw Failure("not a ready line: '\(line)'")
                }
                return address
            case .line(_, .errors, _):
                continue
            case .closed:
                let ending = child.awaitEnding(patience: .seconds(1))?.description ?? "no ready line"
                throw Failure("server did not start: \(ending)" + words(child))
            case .deadline:
                throw Failure("server was not ready within \(readyWithin)")
            }
        }
    }

    private static func words(_ child: ChildProcess) -> String {
        child.lastError.map { " (\($0))" } ?? ""
    }
}

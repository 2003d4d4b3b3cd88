import Glibc
import IOCP
import Synchronization

/// The votes: what all workers share, and so behind a lock.
final class Tally: Sendable {
    private let votes = Mutex<[String: Int]>([:])

    /// The name's votes with this one, or nil: there are names enough.
    func add(_ name: String) -> Int? {
        votes.withLock { votes in
            guard votes[name] != nil || votes.count < 10_000 else { return nil }
            votes[name, default: 0] += 1
            return votes[name]
        }
    }

    var total: Int { votes.withLock { $0.values.reduce(0, +) } }
}

/// One voter, from the greeting to the end.
func serve(_ voter: AsyncConnection, on worker: isolated WorkerActor, counting tally: Tally) async throws {
    try await voter.send("* vote NAME, total, quit\n")
    while let line = try await voter.line(Lines(maximumByteCount: 256)) {
        let words = line.split(separator: " ").map(String.init)
        switch (words.first, words.count) {
        case ("vote", 2):
            let count = tally.add(words[1])
            try await voter.send(count.map { "\(words[1]) has \($0)\n" } ?? "! there are too many names\n")
        case ("total", 1): try await voter.send("\(tally.total)\n")
        case ("quit", 1): return  // what was sent before leaves before the end
        default: try await voter.send("! vote NAME, total, quit\n")
        }
    }
    if voter.isStopping { try await voter.send("* the poll is closed\n") }
}

var configuration = PortConfiguration()
configuration.idleTimeout = .seconds(60)  // nothing came or went for a minute
configuration.sendTimeout = .seconds(10)  // the peer does not read what it asked for
configuration.connectionsPerAddress = 1_000

var signals = sigset_t()
sigemptyset(&signals)
sigaddset(&signals, SIGTERM)
sigaddset(&signals, SIGINT)
pthread_sigmask(SIG_BLOCK, &signals, nil)  // before the server: its threads inherit the mask

do {
    let tally = Tally()
    let server = try IOCPServer(configuration, onError: { print("a voter was dropped: \($0)") }) { worker, voter in
        try await serve(voter, on: worker, counting: tally)
    }
    print("listening on \(try server.listen(host: "127.0.0.1", port: Int(CommandLine.arguments[1])!))")
    fflush(nil)  // for the test
    var signal: Int32 = 0
    sigwait(&signals, &signal)
    server.stop(drainingFor: .seconds(5))
    try server.wait()
} catch {
    print("the poll ended: \(error)")
    exit(1)
}

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

struct Voter {
    var lines = FrameBuffer(Lines(maximumByteCount: 256))
    var isLeaving = false
}

struct Poll: ConnectionHandler, Handles.Opened, Handles.Closed, Handles.Stopping {
    let tally: Tally

    func makeState() -> Voter { Voter() }

    func opened(_ voter: IocpContext<Voter>) throws(IOCPError) {
        try voter.send("* vote NAME, total, quit\n")
    }

    func received(_ bytes: RawSpan, on voter: IocpContext<Voter>) throws(IOCPError) {
        var input = bytes
        while !voter.state.isLeaving, let line = try voter.state.lines.next(in: &input) {
            try answer(String(decoding: line.bytes), to: voter)
        }
    }

    private func answer(_ line: String, to voter: IocpContext<Voter>) throws(IOCPError) {
        let words = line.split(separator: " ").map(String.init)
        switch (words.first, words.count) {
        case ("vote", 2):
            guard let count = tally.add(words[1]) else { return try voter.send("! there are too many names\n") }
            try voter.send("\(words[1]) has \(count)\n")
        case ("total", 1): try voter.send("\(tally.total)\n")
        case ("quit", 1):
            voter.state.isLeaving = true
            voter.close()  // what was sent before leaves before the end
        default: try voter.send("! vote NAME, total, quit\n")
        }
    }

    func closed(_ voter: IocpContext<Voter>, reason: CloseReason) {
        if case .handlerThrew(let error) = reason { print("a voter was dropped: \(error)") }
    }

    func stopping(_ voters: borrowing ConnectionPool<Voter>, on worker: Worker) throws(IOCPError) {
        voters.forEach { voter in try? voter.send("* the poll is closed\n") }
    }
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
    let server = try IOCPServer(configuration) { _ in Poll(tally: tally) }
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

import Synchronization

/// What the answers of an admin socket share: the port, and how many of them there are.
final class AdminDesk: Sendable {
    private weak let knownPort: CompletionPort?
    private let answers = Mutex(0)
    private let isClosed = Atomic(false)

    private static let answersMax = 8

    init(_ port: CompletionPort) {
        knownPort = port
    }

    /// nil once it is released, or the socket was closed.
    var port: CompletionPort? { isClosed.load(ordering: .relaxed) ? nil : knownPort }

    func close() { isClosed.store(true, ordering: .relaxed) }

    /// - Returns: whether one more may be answered; then ``end()`` is due.
    func begin() -> Bool {
        answers.withLock { count in
            guard count < AdminDesk.answersMax else { return false }
            count += 1
            return true
        }
    }

    func end() { answers.withLock { $0 -= 1 } }
}

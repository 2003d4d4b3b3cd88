import CIOCPInternals
import Glibc
import IOCP

/// One connection in the hands of a body, every await of which is held against the ledger.
final class PlayedConnection: @unchecked Sendable {
    // @unchecked: it stays on the worker's thread, as its body does.
    let play: Play
    let connection: AsyncConnection
    let record: PlayLedger.Record
    var ledger: PlayLedger { play.ledger }
    /// When the awaits within a deadline end, on the play's clock.
    var deadline = UInt64.max
    var isHandedBackByBody = false

    init(_ play: Play, _ connection: AsyncConnection) {
        self.play = play
        self.connection = connection
        record = play.ledger.record(connection.name)
    }

    /// What may end an await, as far as it is known when it begins.
    struct Mark {
        let what: String
        let due: UInt64
        let isSend: Bool
    }

    func begin(_ what: String, _ limit: Duration?, isSend: Bool = false) -> Mark {
        play.traced("\(what) begins, slot \(connection.connection.slot)")
        ledger.awaits.begun += 1
        record.awaitCount += 1
        let own = (limit ?? connection.timeout).map { play.now &+ $0.nanoseconds } ?? .max
        return Mark(what: what, due: min(own, deadline), isSend: isSend)
    }

    func end(_ mark: Mark, _ error: (any Error)? = nil) {
        play.traced("\(mark.what) ends, slot \(connection.connection.slot), \(error.map { "\($0)" } ?? "well")")
        ledger.awaits.ended += 1
        ledger.resumed()
        guard let error else { return }
        if mark.isSend { record.isSendCut = true }
        guard let failure = error as? IOCPError else { return ledger.violated("\(mark.what): \(error)", record.token) }
        ledger.expect(hasCause(failure, mark), "\(mark.what) fails for no reason: \(failure)", record.token)
    }

    /// An await of any kind, from its begin to its end.
    nonisolated(nonsending) func awaiting<Value>(
        _ what: String, _ limit: Duration? = nil, isSend: Bool = false,
        _ call: nonisolated(nonsending) () async throws -> Value
    ) async throws -> Value {
        let mark = begin(what, limit, isSend: isSend)
        do {
            let value = try await call()
            end(mark)
            return value
        } catch {
            end(mark, error)
            throw error
        }
    }

    private func hasCause(_ error: IOCPError, _ mark: Mark) -> Bool {
        switch error.code {
        case ECANCELED: return Task.isCancelled
        case ETIMEDOUT: return play.now >= mark.due
        case ENODATA: return !mark.isSend
        case EAGAIN, EMSGSIZE: return mark.isSend
        // Every timer is armed, the memory for sends is full, or both of one connection.
        case ENOBUFS: return mark.isSend || mark.due != .max || connection.isClosing
        case EPIPE where record.hasFinished && mark.isSend: return true
        case ESHUTDOWN: return ledger.hasStopped
        case ENOTCONN: return connection.isClosing
        default: return connection.isClosing && (record.broke || ledger.collapsed)
        }
    }
}

extension Duration {
    var nanoseconds: UInt64 {
        UInt64(components.seconds) * 1_000_000_000 + UInt64(components.attoseconds / 1_000_000_000)
    }
}

import CIOCP

/// The name of one connection: the worker and the slot where it opened, and which life of that slot.
///
/// A value to keep in tables and to hand to other threads; it stays the same where the connection moves to another worker
/// (``IocpContext/move(to:)``), and outlives it harmlessly. Bytes move through
/// ``IocpContext``, on the worker's thread.
public struct Connection: Hashable, Sendable {
    @usableFromInline let token: iocp_token

    @usableFromInline
    init(token: iocp_token) {
        self.token = token
    }

    /// The worker where the connection opened: its home, also where it has moved on. ``ConnectionContext/worker`` serves it.
    public var workerIndex: Int { Int(iocp_token_worker(token)) }

    /// Its slot there: dense from 0, and reused after the connection closed.
    public var slot: Int { Int(iocp_token_slot(token)) }
}

import CIOCP

/// The name of one connection: which worker, which slot, which life of that slot.
///
/// A value to keep in tables and to hand to other threads; it outlives its connection harmlessly. Bytes move through
/// ``IocpContext``, on the worker's thread.
public struct Connection: Hashable, Sendable {
    @usableFromInline let token: iocp_token

    @usableFromInline
    init(token: iocp_token) {
        self.token = token
    }

    /// The worker that owns the connection.
    public var workerIndex: Int { Int(iocp_token_worker(token)) }

    /// Dense from 0 on its worker, and reused after the connection closed.
    public var slot: Int { Int(iocp_token_slot(token)) }
}

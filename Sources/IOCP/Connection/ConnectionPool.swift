import CIOCP

/// The contexts of one worker's connections, indexed by slot.
///
/// A context is made when its slot is first used and reused for later connections, so that a steady state allocates
/// nothing. Thread: the worker's.
@safe
public struct ConnectionPool<State>: ~Copyable {
    @usableFromInline let worker: Worker
    @usableFromInline let contexts: UnsafeMutablePointer<IocpContext<State>?>
    @usableFromInline let capacity: Int
    @usableFromInline var openCount = 0
    /// Slots at and above this were never used.
    @usableFromInline var untouched = 0

    /// Connections open now.
    public var count: Int { openCount }

    @usableFromInline
    init(worker: Worker) {
        self.worker = worker
        capacity = unsafe Int(iocp_worker_slot_count(worker.raw))
        unsafe contexts = .allocate(capacity: capacity)
    }

    deinit {
        unsafe contexts.deinitialize(count: untouched)
        unsafe contexts.deallocate()
    }

    /// The context of an open connection; nil when it has closed, and while it is with another worker. O(1).
    @inlinable
    public subscript(connection: Connection) -> IocpContext<State>? {
        let token = worker.here(connection)
        guard token != 0 else { return nil }
        let context = context(atSlot: Int(iocp_token_slot(token)))
        return context?.token == token ? context : nil
    }

    /// Calls `body` for every connection whose `closed` is still to come, in the order of slots.
    public func forEach<Failure: Error>(_ body: (IocpContext<State>) throws(Failure) -> Void) throws(Failure) {
        for slot in 0..<untouched {
            if let context = unsafe contexts[slot], context.token != 0 { try body(context) }
        }
    }

    @inlinable
    func context(atSlot slot: Int) -> IocpContext<State>? {
        slot < untouched ? unsafe contexts[slot] : nil
    }

    /// Inlinable: unspecialised it was 0.8 % of a TLS handshake.
    @inlinable
    mutating func add(
        _ token: iocp_token, named name: iocp_token, key: UInt64, listener: UInt16, state: State
    ) -> IocpContext<State> {
        let slot = Int(iocp_token_slot(token))
        while untouched <= slot {
            unsafe (contexts + untouched).initialize(to: nil)
            untouched += 1
        }
        openCount += 1
        // A context that somebody kept stays with its closed connection.
        if unsafe isKnownUniquelyReferenced(&contexts[slot]), let context = unsafe contexts[slot] {
            context.reuse(token: token, name: name, key: key, listener: listener, state: state)
            return context
        }
        let context = IocpContext(worker, token: token, name: name, key: key, listener: listener, state: state)
        unsafe contexts[slot] = context
        return context
    }

    /// The connection closed: its context answers ENOTCONN from here on, and its state is gone.
    @inlinable
    mutating func remove(_ context: IocpContext<State>) {
        context.token = 0
        context.lifetimeState = nil
        openCount -= 1
    }

    /// The connection goes on with another worker, and its state with it: here its context answers ENOTCONN.
    @inlinable
    mutating func takeState(of context: IocpContext<State>) -> State {
        guard let state = context.lifetimeState else { ContextMisuse.stateAfterClosed() }
        remove(context)
        return state
    }
}

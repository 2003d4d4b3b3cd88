import CIOCP

/// One connection, as its handler sees it: what can be sent and asked, and the user's own state.
///
/// It belongs to its worker's thread (G8) and is not `Sendable`. What the compiler does not see, the call does: on another
/// thread it throws EPERM, or traps if it cannot throw. To reach a connection from elsewhere, keep its ``connection`` and
/// post to it.
///
/// A context may be kept longer than its connection, its worker and its port: then its calls throw ENOTCONN, and it keeps
/// the port's own memory and the few descriptors beside its workers' (a stats page, wake-ups). Contexts are
/// reused for later connections unless somebody still holds a reference, so a kept context never turns into another
/// peer's. A `weak` or `unowned` reference does not hold it.
@safe
public final class IocpContext<State> {
    @usableFromInline let raw: OpaquePointer
    /// Keeps what `raw` points to.
    private let home: WorkerHome
    /// The connection's token, also when it has closed.
    private var lastToken: iocp_token
    /// 0 once closed. Written by the pool between two handler calls and read within one, so no two accesses overlap; the dynamic check
    /// of that was 2 % of a busy worker's own instructions.
    @exclusivity(unchecked) @usableFromInline var uncheckedToken: iocp_token
    /// Nil once closed. `state` alone hands it out, and sees by `stateIsLent` that no two accesses overlap: the dynamic check of
    /// that was 8 % of the user-mode samples of a key-value server. The pool sets it between two handler calls.
    @exclusivity(unchecked) @usableFromInline var uncheckedState: State?
    /// Somebody changes the state right now. Read and written by whole accesses of one thread, so they cannot overlap.
    @exclusivity(unchecked) @usableFromInline var stateIsLent = false
    /// The short name of the listener; 0: it connected.
    private var listenerName: UInt16
    /// The key given to ``Worker/connect(to:from:key:timeout:)``; 0 for an accepted connection.
    public internal(set) var key: UInt64

    init(_ worker: Worker, token: iocp_token, key: UInt64, listener: UInt16, state: State) {
        unsafe raw = worker.raw
        home = worker.home
        lastToken = token
        unsafe uncheckedToken = token
        self.key = key
        listenerName = listener
        unsafe uncheckedState = state
    }

    @inlinable
    var token: iocp_token {
        @inline(__always) get { unsafe uncheckedToken }
        set { unsafe uncheckedToken = newValue }
    }

    /// A later connection takes this context over.
    func reuse(token: iocp_token, key: UInt64, listener: UInt16, state: State) {
        lastToken = token
        self.token = token
        self.key = key
        listenerName = listener
        lifetimeState = state
    }

    /// For the pool.
    var lifetimeState: State? {
        get { unsafe uncheckedState }
        set {
            if unsafe stateIsLent { IocpContextMisuse.overlappingAccesses() }
            unsafe uncheckedState = newValue
        }
    }

    /// The user's own state for this connection, from opening to the end of `closed`. Afterwards there is none, and asking
    /// for it traps: see ``isOpen``. While a call changes a part of it in place, asking for it traps, too, as Swift's law of
    /// exclusivity has it.
    @inlinable
    public var state: State {
        get {
            if unsafe stateIsLent { IocpContextMisuse.overlappingAccesses() }
            guard let state = unsafe uncheckedState else { IocpContextMisuse.stateAfterClosed() }
            return state
        }
        _modify {
            if unsafe stateIsLent { IocpContextMisuse.overlappingAccesses() }
            if unsafe uncheckedState == nil { IocpContextMisuse.stateAfterClosed() }
            unsafe stateIsLent = true
            defer { unsafe stateIsLent = false }
            yield unsafe &uncheckedState!
        }
    }

    /// Whether the connection's `closed` is still to come. It may be closing all the same: see ``isClosing``.
    public var isOpen: Bool { unsafe stateIsLent || uncheckedState != nil }

    /// Whether the connection's end has begun: by ``close()`` or ``abort()``, by its peer, a timeout or a stop. From then on its
    /// calls throw ENOTCONN, also after `closed`. A handler that calls another connection than its own asks first, as a relay
    /// does: what it throws would end its own.
    public var isClosing: Bool { unsafe !iocp_connection_is_open(raw, token) }

    /// The connection's name, for tables and other threads. It stays the same when the connection has closed.
    public var connection: Connection { Connection(token: lastToken) }

    /// The worker that serves this connection, for timers, connects and posts. A context does not keep its worker: where it
    /// is kept longer, asking for the worker traps.
    public var worker: Worker {
        guard let worker = home.worker else { IocpContextMisuse.workerAfterItsRelease() }
        return worker
    }

    /// Where the client came from; nil for a connection that ``Worker/connect(to:from:key:timeout:)`` or
    /// ``IOCPClient`` made. It stays the same when the listener or the connection has closed. Takes a lock of the port's for a
    /// moment: ask in `opened`, and not for each message.
    ///
    /// ```swift
    /// func opened(_ connection: IocpContext<Void>) throws(IOCPError) {
    ///     guard case .unix = connection.listener?.endpoint else { return }
    ///     try connection.send("control: ")
    /// }
    /// ```
    public var listener: Listener? {
        listenerName == 0 ? nil : home.port.listener(Listener.ID(name: listenerName))
    }

    // MARK: Receiving

    /// Stops receiving; the peer is held back by TCP. Bytes already on their way may still be delivered.
    public func pauseReceiving() throws(IOCPError) {
        try check(unsafe iocp_receive_pause(raw, token), .receive)
    }

    public func resumeReceiving() throws(IOCPError) {
        try check(unsafe iocp_receive_resume(raw, token), .receive)
    }

    // MARK: Closing

    /// Closes gracefully: what is queued is sent, then FIN. `closed(.local)` follows. Harmless when closing already.
    public func close() {
        requireOwnThread(unsafe iocp_close(raw, token))
    }

    /// Closes at once: drops what is queued and sends RST. `closed(.aborted)` follows.
    public func abort() {
        requireOwnThread(unsafe iocp_abort(raw, token))
    }

    /// Sends FIN after what is queued; receiving goes on.
    public func finishSending() throws(IOCPError) {
        try check(unsafe iocp_finish_sending(raw, token), .close)
    }

    // MARK: Asking

    /// The peer's address, asked of the kernel at each call: keep it if you need it often.
    /// - Throws: EOPNOTSUPP with io_uring before Linux 6.7. EBUSY while the completion queue is too full for the answer,
    ///   and EAGAIN while the kernel is short of memory: ask again in a later call of the handler.
    public func peerAddress() throws(IOCPError) -> SocketAddress {
        var address = iocp_address()
        try check(unsafe iocp_connection_peer(raw, token, &address), .peerAddress)
        return SocketAddress(raw: address)
    }

    /// The process at the other end of a Unix socket, as of its connect: process, user and group ids (SO_PEERCRED).
    /// - Throws: EAFNOSUPPORT for a connection of another kind; otherwise as ``peerAddress()``.
    public func peerCredentials() throws(IOCPError) -> PeerCredentials {
        var found = iocp_credentials()
        try check(unsafe iocp_connection_credentials(raw, token, &found), .peerAddress)
        return PeerCredentials(process: found.process, user: found.user, group: found.group)
    }

    /// The address of this end: where the peer connected to, or what the kernel chose for a connect. Asked of the kernel at
    /// each call.
    /// - Throws: EOPNOTSUPP with io_uring before Linux 6.8. EMFILE when the process has no file descriptor left, of which
    ///   io_uring takes one for the question. EBUSY and EAGAIN as ``peerAddress()``.
    public func localAddress() throws(IOCPError) -> SocketAddress {
        var address = iocp_address()
        try check(unsafe iocp_connection_local(raw, token, &address), .localAddress)
        return SocketAddress(raw: address)
    }

    /// Bytes so far, and when the connection opened.
    public func counters() throws(IOCPError) -> ConnectionCounters {
        var counters = iocp_connection_counters()
        try check(unsafe iocp_connection_counters_get(raw, token, &counters), .inquiry)
        return ConnectionCounters(
            receivedBytes: counters.received_bytes, sentBytes: counters.sent_bytes,
            opened: .nanoseconds(Int64(clamping: counters.opened_ns)))
    }
}

/// What went through one connection so far.
public struct ConnectionCounters: Hashable, Sendable {
    public let receivedBytes: UInt64
    /// Bytes taken by the transport.
    public let sentBytes: UInt64
    /// On the monotonic clock, as ``Worker/now``.
    public let opened: Duration
}

/// Traps with a name, out of line.
@usableFromInline
enum IocpContextMisuse {
    @usableFromInline
    static func stateAfterClosed() -> Never {
        fatalError("the state of a connection was asked for after its `closed`: see IocpContext.isOpen")
    }

    @usableFromInline
    static func overlappingAccesses() -> Never {
        fatalError("overlapping accesses to the state of a connection: a call that changes a part of it asked for it again")
    }

    static func workerAfterItsRelease() -> Never {
        fatalError("a kept context was asked for its worker, which was released: keep the worker itself")
    }
}

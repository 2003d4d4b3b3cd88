import CIOCP

/// The calls of one connection: what a handler's ``IocpContext`` and a body's ``AsyncConnection`` have in common.
///
/// It belongs to its worker's thread (G8) and is not `Sendable`. What the compiler does not see, the call does: on another
/// thread it throws EPERM, or traps if it cannot throw. To reach a connection from elsewhere, keep its ``connection`` and
/// post to it.
///
/// It may be kept longer than its connection, its worker and its port: then its calls throw ENOTCONN, and it keeps the port's
/// own memory and the few descriptors beside its workers' (a stats page, wake-ups).
@safe
public class ConnectionContext {
    @usableFromInline package final let raw: OpaquePointer
    /// Keeps what `raw` points to.
    final let home: WorkerHome
    /// The connection's name, also when it has closed or moved: the token of where it opened.
    package private(set) final var name: iocp_token
    /// By which this worker's core and tables know it: one that moved here has another than its name. 0 once closed or gone to
    /// another worker. Written between two handler calls and read within one, so no two accesses overlap; the dynamic check
    /// of that was 2 % of a busy worker's own instructions.
    @exclusivity(unchecked) @usableFromInline final var uncheckedToken: iocp_token
    /// The short name of the listener; 0: it connected.
    private(set) final var listenerName: UInt16
    /// The key given to ``Worker/connect(to:from:key:timeout:security:)-(SocketAddress,_,_,_,_)``; 0 for an accepted connection.
    public internal(set) final var key: UInt64

    init(_ worker: Worker, token: iocp_token, name: iocp_token, key: UInt64, listener: UInt16) {
        unsafe raw = worker.raw
        home = worker.home
        self.name = name
        unsafe uncheckedToken = token
        self.key = key
        listenerName = listener
    }

    @inlinable
    package final var token: iocp_token {
        @inline(__always) get { unsafe uncheckedToken }
        set { unsafe uncheckedToken = newValue }
    }

    /// Another connection takes this context over.
    @usableFromInline
    final func rename(token: iocp_token, name: iocp_token, key: UInt64, listener: UInt16) {
        self.name = name
        self.token = token
        self.key = key
        listenerName = listener
    }

    /// Whether the connection's end has begun: by ``close()`` or ``abort()``, by its peer, a timeout or a stop. From then on its
    /// calls throw ENOTCONN, also after `closed`. A handler that calls another connection than its own asks first, as a relay
    /// does: what it throws would end its own.
    public final var isClosing: Bool { unsafe !iocp_connection_is_open(raw, token) }

    /// Whether the port stops, or the worker leaves it. For a body, the end of its input is not the peer's then.
    public final var isStopping: Bool { unsafe iocp_worker_is_stopping(raw) }

    /// The connection's name, for tables and other threads. It stays the same wherever the connection moves, and when it has
    /// closed.
    public final var connection: Connection { Connection(token: name) }

    /// What this worker's own tables know it by; the name, if it opened here.
    final var here: Connection { Connection(token: token) }

    /// The worker that serves this connection, for timers, connects and posts. A context does not keep its worker: where it
    /// is kept longer, asking for the worker traps.
    public final var worker: Worker {
        guard let worker = home.worker else { ContextMisuse.workerAfterItsRelease() }
        return worker
    }

    /// Where the client came from; nil for a connection that
    /// ``Worker/connect(to:from:key:timeout:security:)-(SocketAddress,_,_,_,_)`` or ``IOCPClient`` made. It
    /// stays the same when the listener or the connection has closed. Takes a lock of the port's for a moment: ask in `opened`,
    /// and not for each message.
    ///
    /// ```swift
    /// func opened(_ connection: IocpContext<Void>) throws(IOCPError) {
    ///     guard case .unix = connection.listener?.endpoint else { return }
    ///     try connection.send("control: ")
    /// }
    /// ```
    public final var listener: Listener? {
        listenerName == 0 ? nil : home.port.listener(Listener.ID(name: listenerName))
    }

    // MARK: Receiving

    /// Stops receiving; the peer is held back by TCP. Bytes already on their way may still be delivered.
    public final func pauseReceiving() throws(IOCPError) {
        try check(unsafe iocp_receive_pause(raw, token), .receive)
    }

    /// Receives again after ``pauseReceiving()``. Harmless for a connection that is not paused.
    /// - Throws: ENOTCONN when closed or closing.
    public final func resumeReceiving() throws(IOCPError) {
        try check(unsafe iocp_receive_resume(raw, token), .receive)
    }

    // MARK: Closing

    /// Closes gracefully: what is queued is sent, then FIN. `closed(.local)` follows. Harmless when closing already.
    public final func close() {
        requireOwnThread(unsafe iocp_close(raw, token))
    }

    /// Closes at once: drops what is queued and sends RST. `closed(.aborted)` follows.
    public final func abort() {
        requireOwnThread(unsafe iocp_abort(raw, token))
    }

    /// Sends FIN after what is queued; receiving goes on.
    public final func finishSending() throws(IOCPError) {
        try check(unsafe iocp_finish_sending(raw, token), .close)
    }

    /// Whether a stop of the port, or a leave of the worker, leaves this connection open until the drain is over (false at first).
    ///
    /// For an answer that is still being made elsewhere: the connection goes on receiving and sending, and you close it when it
    /// has what it waits for. What is left when the drain is over is aborted like others. Given up during a stop, the connection
    /// closes gracefully at once.
    /// - Throws: ENOTCONN when closed or closing.
    public final func setOutlastsStop(_ outlasts: Bool) throws(IOCPError) {
        try check(unsafe iocp_connection_stay(raw, token, outlasts), .close)
    }

    // MARK: Asking

    /// The peer's address, asked of the kernel at each call: keep it if you need it often.
    /// - Throws: EOPNOTSUPP where a ring with direct descriptors is refused the question. EBUSY while the completion queue is too full for the answer,
    ///   and EAGAIN while the kernel is short of memory: ask again in a later call of the handler.
    public final func peerAddress() throws(IOCPError) -> SocketAddress {
        try unsafe SocketAddress(ofPeer: token, of: raw)
    }

    /// The process at the other end of a Unix socket, as of its connect: process, user and group ids (SO_PEERCRED).
    /// - Throws: EAFNOSUPPORT for a connection of another kind; otherwise as ``peerAddress()``.
    public final func peerCredentials() throws(IOCPError) -> PeerCredentials {
        var found = iocp_credentials()
        try check(unsafe iocp_connection_credentials(raw, token, &found), .peerAddress)
        return PeerCredentials(process: found.process, user: found.user, group: found.group)
    }

    /// The address of this end: where the peer connected to, or what the kernel chose for a connect. Asked of the kernel at
    /// each call.
    /// - Throws: EOPNOTSUPP where a ring with direct descriptors is refused the question. EMFILE when the process has no file
    ///   descriptor left, of which such a ring takes one for the question. EBUSY and EAGAIN as ``peerAddress()``.
    public final func localAddress() throws(IOCPError) -> SocketAddress {
        try unsafe SocketAddress(ofThisEnd: token, of: raw)
    }

    /// Bytes so far, and when the connection opened.
    public final func counters() throws(IOCPError) -> ConnectionCounters {
        var counters = iocp_connection_counters()
        try check(unsafe iocp_connection_counters_get(raw, token, &counters), .inquiry)
        return ConnectionCounters(
            receivedBytes: counters.received_bytes, sentBytes: counters.sent_bytes,
            opened: .nanoseconds(Int64(clamping: counters.opened_ns)))
    }
}

/// What went through one connection so far.
public struct ConnectionCounters: Hashable, Sendable {
    /// Bytes that arrived.
    public let receivedBytes: UInt64
    /// Bytes taken by the transport.
    public let sentBytes: UInt64
    /// On the monotonic clock, as ``Worker/now``.
    public let opened: Duration
}

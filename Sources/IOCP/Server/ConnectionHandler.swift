/// What a server or client does with its connections. One value per worker, called on that worker's thread only.
///
/// Every method has a default that does nothing, so implement what you need. Implement one of the two `received`:
/// the span is lent for the call; the lease may be kept, or sent back without a copy. If both are implemented, the one
/// that takes the lease is called, and the other is not. Implement one of the two `stopping`, too: the longer one is given
/// the worker's connections.
///
/// A method that throws aborts its connection. A handler is a generic parameter, never an existential: its calls are
/// specialised in your module and cost no witness table.
public protocol ConnectionHandler: SendableMetatype {
    /// What each connection remembers; see ``IocpContext/state``.
    associatedtype State = Void

    /// The state a new connection begins with. Needed unless `State` is `Void`.
    mutating func makeState() -> State

    /// The worker's thread runs, before its first completion.
    mutating func started(on worker: Worker) throws(IOCPError)

    /// A connection opened, accepted or connected.
    mutating func opened(_ connection: IocpContext<State>) throws(IOCPError)

    /// A connect did not open; `key` is the one given to it.
    mutating func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker)

    /// Bytes arrived; they are lent for the call.
    mutating func received(_ bytes: RawSpan, on connection: IocpContext<State>) throws(IOCPError)

    /// Bytes arrived; they are leased until the value is dropped or sent.
    mutating func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<State>) throws(IOCPError)

    /// The peer sent FIN and `deliversHalfClose` is on: the connection stays until you close it.
    mutating func peerFinished(_ connection: IocpContext<State>) throws(IOCPError)

    /// Everything queued before ``IocpContext/notifyWhenSent(key:)`` was taken by the transport, or `error` came first.
    mutating func sent(key: UInt64, error: IOCPError?, on connection: IocpContext<State>) throws(IOCPError)

    /// Unsent bytes fell below the limit of ``IocpContext/notifyWhenUnsent(below:key:)``, or `error` came first.
    mutating func unsentFell(key: UInt64, error: IOCPError?, on connection: IocpContext<State>) throws(IOCPError)

    /// Unsent bytes fell to the low watermark.
    mutating func writable(_ connection: IocpContext<State>) throws(IOCPError)

    /// The connection's last event; its state is dropped afterwards.
    mutating func closed(_ connection: IocpContext<State>, reason: CloseReason)

    /// A post arrived. `connection` is the one it was posted to, nil if to the worker or if that connection is gone.
    mutating func posted(_ value: UInt64, to connection: IocpContext<State>?, on worker: Worker) throws(IOCPError)

    /// A timer of ``Worker/startTimer(after:for:key:)`` fired. With ECANCELED it was cancelled, its connection closed
    /// or the port stops.
    mutating func timerFired(key: UInt64, error: IOCPError?, connection: IocpContext<State>?, on worker: Worker)
        throws(IOCPError)

    /// The port stops, or this worker leaves it. Everything posted before came first, every connection is still open, and
    /// what is sent here leaves before the FIN of its connection: the place to say good-bye.
    ///
    /// Called once. No connection is accepted any more, and ``Worker/connect(to:from:key:)`` and timers are refused with
    /// ESHUTDOWN. When it returns, connections are closed gracefully; what the peers have not taken when the drain given
    /// to `stop` or `leave` is over is dropped with a reset. So a drain of zero leaves no time for a good-bye.
    /// What it throws changes nothing.
    mutating func stopping(on worker: Worker) throws(IOCPError)

    /// The same, with the worker's connections. The default calls ``stopping(on:)``.
    mutating func stopping(_ connections: borrowing ConnectionPool<State>, on worker: Worker) throws(IOCPError)

    /// The port has stopped, or this worker's driver failed; everything was delivered.
    mutating func stopped(on worker: Worker)
}

extension ConnectionHandler {
    @inlinable
    public mutating func started(on worker: Worker) throws(IOCPError) {}
    @inlinable
    public mutating func opened(_ connection: IocpContext<State>) throws(IOCPError) {}
    @inlinable
    public mutating func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) {}
    @inlinable
    public mutating func received(_ bytes: RawSpan, on connection: IocpContext<State>) throws(IOCPError) {}
    @inlinable
    public mutating func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<State>)
        throws(IOCPError)
    {
        try received(bytes.bytes, on: connection)
    }
    @inlinable
    public mutating func peerFinished(_ connection: IocpContext<State>) throws(IOCPError) { connection.close() }
    @inlinable
    public mutating func sent(key: UInt64, error: IOCPError?, on connection: IocpContext<State>) throws(IOCPError) {}
    @inlinable
    public mutating func unsentFell(key: UInt64, error: IOCPError?, on connection: IocpContext<State>) throws(IOCPError)
    {}
    @inlinable
    public mutating func writable(_ connection: IocpContext<State>) throws(IOCPError) {}
    @inlinable
    public mutating func closed(_ connection: IocpContext<State>, reason: CloseReason) {}
    @inlinable
    public mutating func posted(_ value: UInt64, to connection: IocpContext<State>?, on worker: Worker)
        throws(IOCPError)
    {}
    @inlinable
    public mutating func timerFired(
        key: UInt64, error: IOCPError?, connection: IocpContext<State>?, on worker: Worker
    ) throws(IOCPError) {}
    @inlinable
    public mutating func stopping(on worker: Worker) throws(IOCPError) {}
    @inlinable
    public mutating func stopping(_ connections: borrowing ConnectionPool<State>, on worker: Worker) throws(IOCPError) {
        try stopping(on: worker)
    }
    @inlinable
    public mutating func stopped(on worker: Worker) {}
}

extension ConnectionHandler where State == Void {
    @inlinable
    public mutating func makeState() {}
}

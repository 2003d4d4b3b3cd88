/// What a server or client does with its connections. One value per worker, called on that worker's thread only.
///
/// Implement ``received(_:on:)`` in one of two ways: with a `RawSpan`, which is lent for the call, or with ``ReceivedBytes``,
/// a lease that may be kept or sent back without a copy. The other methods have defaults, so implement what you need.
///
/// A handler without `received`, with both, or with another signature of it does not compile. The other methods are checked if you
/// say which you have: `struct Chat: ConnectionHandler, Handles.Closed, Handles.Posted`; see ``Handles``. Otherwise one with
/// another name, label, `throws` or `State` is a method of your own, and the default is called in its place. The defaults of
/// what a handler asks for itself (`posted`, `timerFired`, `sent`, `unsentFell`) and of `connectFailed` tell
/// ``failed(_:in:on:)``, so that events which nobody takes are seen.
///
/// What a method throws is not lost:
///
/// | thrown by | what becomes of it |
/// |---|---|
/// | ``started(on:)`` | ``Worker/run(_:)`` throws it: the worker ends before its first completion |
/// | a method for a connection | the connection is aborted; ``closed(_:reason:)`` has ``CloseReason/handlerThrew(_:)``. ENOTCONN behind a ``ConnectionContext/close()`` does not: the close goes on |
/// | the same, for a connection that something else had ended | ``failed(_:in:on:)``, unless it is ENOTCONN: `closed` says more |
/// | a post, timer or closure without a connection, and `stopping` | ``failed(_:in:on:)`` |
///
/// A handler is a generic parameter, never an existential: its calls are specialised in your module and cost no witness
/// table. Every error is an ``IOCPError``: a value that is compared, kept in a ``CloseReason`` and thrown without an
/// allocation, and the one that each call of this library throws, so a handler passes it on with `try` alone. An error of
/// your own travels in it: `IOCPError(code:detail:)`, or ``IOCPError/init(wrapping:)`` for one of another type.
public protocol ConnectionHandler: SendableMetatype {
    /// What each connection remembers; see ``IocpContext/state``.
    associatedtype State = Void

    /// The state a new connection begins with. Needed unless `State` is `Void`.
    mutating func makeState() -> State

    /// The worker's thread runs, before its first completion. What is thrown ends the worker: ``Worker/run(_:)`` throws it,
    /// and a server or client stops and tells it in `wait()`.
    mutating func started(on worker: Worker) throws(IOCPError)

    /// A connection opened, accepted or connected.
    mutating func opened(_ connection: IocpContext<State>) throws(IOCPError)

    /// A connect did not open; `key` is the one given to it. The default tells ``failed(_:in:on:)``.
    mutating func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker)

    /// How the handler takes what arrived: `RawSpan` or ``ReceivedBytes``. Inferred from ``received(_:on:)``.
    associatedtype Received: HandedBytes, ~Copyable, ~Escapable

    /// Bytes arrived. As a `RawSpan` they are lent for the call: the span cannot outlive it, which the compiler checks, and
    /// the buffer goes back to the worker when the call returns. As ``ReceivedBytes`` they are leased until the value is
    /// dropped or sent. Neither costs more than the other.
    mutating func received(_ bytes: consuming Received, on connection: IocpContext<State>) throws(IOCPError)

    /// The peer sent FIN and `deliversHalfClose` is on: the connection stays until you close it. The default closes it.
    mutating func peerFinished(_ connection: IocpContext<State>) throws(IOCPError)

    /// Everything queued before ``ConnectionContext/notifyWhenSent(key:)`` was taken by the transport, or `error` came first.
    mutating func sent(key: UInt64, error: IOCPError?, on connection: IocpContext<State>) throws(IOCPError)

    /// Unsent bytes fell below the limit of ``ConnectionContext/notifyWhenUnsent(below:key:)``, or `error` came first.
    mutating func unsentFell(key: UInt64, error: IOCPError?, on connection: IocpContext<State>) throws(IOCPError)

    /// Unsent bytes fell to the low watermark.
    mutating func writable(_ connection: IocpContext<State>) throws(IOCPError)

    /// The connection goes on with another worker: its last event on this one. Its calls throw ENOTCONN by now.
    ///
    /// The place to take it out of tables of this worker. What is changed in its state goes along. It comes with
    /// ``migrated(_:from:)``, there or, where something keeps it, here. To close it now calls the move off: `migrated` tells this
    /// worker, and `closed` follows.
    mutating func migrating(_ connection: IocpContext<State>, to worker: Int)

    /// The connection came from another worker: its first event on this one, in the place of `opened`.
    ///
    /// `worker` is this one's own index if the connection had to stay here: one of the two workers stops, or the system handed
    /// the socket over to nobody.
    mutating func migrated(_ connection: IocpContext<State>, from worker: Int) throws(IOCPError)

    /// The connection's last event; its state is dropped afterwards.
    mutating func closed(_ connection: IocpContext<State>, reason: CloseReason)

    /// A post arrived. `connection` is the one it was posted to, nil if to the worker or if that connection is gone.
    mutating func posted(_ value: UInt64, to connection: IocpContext<State>?, on worker: Worker) throws(IOCPError)

    /// An object that was posted arrived: cast it to what your threads post. `connection` as for a number.
    mutating func posted(object: any AnyObject & Sendable, to connection: IocpContext<State>?, on worker: Worker)
        throws(IOCPError)

    /// A timer of ``Worker/startTimer(after:for:key:)`` fired. With ECANCELED it was cancelled, its connection closed
    /// or the port stops.
    mutating func timerFired(key: UInt64, error: IOCPError?, connection: IocpContext<State>?, on worker: Worker)
        throws(IOCPError)

    /// The port stops, or this worker leaves it. Everything posted before came first, every connection is still open, and
    /// what is sent here leaves before the FIN of its connection: the place to say good-bye.
    ///
    /// Called once. No connection is accepted any more, and
    /// ``Worker/connect(to:from:key:timeout:security:)-(SocketAddress,_,_,_,_)`` and timers are refused with ESHUTDOWN. When it returns, connections are closed gracefully; what the peers have not taken when the
    /// drain given to `stop` or `leave` is over is dropped with a reset. So a drain of zero leaves no time for a good-bye.
    /// What it throws changes nothing, and goes to ``failed(_:in:on:)``.
    /// - Parameter connections: every connection of the worker; lent for the call.
    mutating func stopping(_ connections: borrowing ConnectionPool<State>, on worker: Worker) throws(IOCPError)

    /// An error that nobody else is told: a method threw without a connection to end, or an event came for which this
    /// handler has no method (ENOSYS; or the error of a connect that failed). The place to log, or to stop the port.
    ///
    /// It is counted already (``WorkerStats/handlerErrors``), as are errors that end a connection. The default does
    /// nothing more.
    mutating func failed(_ error: IOCPError, in method: HandlerMethod, on worker: Worker)

    /// The port has stopped, or this worker's driver failed; everything was delivered.
    mutating func stopped(on worker: Worker)
}

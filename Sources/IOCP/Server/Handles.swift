/// The methods that a handler means to have, for the compiler to check.
///
/// A method of ``ConnectionHandler`` that has a default is not missed when it is absent, misspelt, or of another signature.
/// Conform to the protocols of those you implement, and each of these mistakes is an error that says what is meant:
///
/// ```swift
/// struct Greeter: ConnectionHandler, Handles.Opened, Handles.Closed {
///     func opened(_ connection: IocpContext<Void>) throws(IOCPError) { try connection.send("hello") }
///     func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) { try connection.send(bytes) }
///     func closed(_ connection: IocpContext<Void>, reason: CloseReason) { print(reason) }
/// }
/// ```
///
/// They require nothing beyond that, cost nothing, and change nothing about which method is called. ``Migrated`` alone does more:
/// it lets connections move.
public enum Handles {
    /// Has ``ConnectionHandler/started(on:)``.
    public protocol Started: ConnectionHandler {}
    /// Has ``ConnectionHandler/opened(_:)``.
    public protocol Opened: ConnectionHandler {}
    /// Has ``ConnectionHandler/connectFailed(_:key:on:)``.
    public protocol ConnectFailed: ConnectionHandler {}
    /// Has ``ConnectionHandler/peerFinished(_:)``.
    public protocol PeerFinished: ConnectionHandler {}
    /// Has ``ConnectionHandler/sent(key:error:on:)``.
    public protocol Sent: ConnectionHandler {}
    /// Has ``ConnectionHandler/unsentFell(key:error:on:)``.
    public protocol UnsentFell: ConnectionHandler {}
    /// Has ``ConnectionHandler/writable(_:)``.
    public protocol Writable: ConnectionHandler {}
    /// Has ``ConnectionHandler/closed(_:reason:)``.
    public protocol Closed: ConnectionHandler {}
    /// Has ``ConnectionHandler/migrated(_:from:)``, and takes part in moves: its connections may go on with another worker of the
    /// port, and such may come (``IocpContext/move(to:)``). Their state changes the thread, so it is `Sendable`.
    public protocol Migrated: ConnectionHandler where State: Sendable {}
    /// Has ``ConnectionHandler/posted(_:to:on:)``.
    public protocol Posted: ConnectionHandler {}
    /// Has ``ConnectionHandler/posted(object:to:on:)``.
    public protocol PostedObject: ConnectionHandler {}
    /// Has ``ConnectionHandler/timerFired(key:error:connection:on:)``.
    public protocol TimerFired: ConnectionHandler {}
    /// Has ``ConnectionHandler/stopping(_:on:)``.
    public protocol Stopping: ConnectionHandler {}
    /// Has ``ConnectionHandler/failed(_:in:on:)``.
    public protocol Failed: ConnectionHandler {}
    /// Has ``ConnectionHandler/stopped(on:)``.
    public protocol Stopped: ConnectionHandler {}
}

// Nobody may use these defaults, which go before those of ConnectionHandler.

extension Handles.Started {
    @available(*, unavailable, message: "Handles.Started has 'func started(on worker: Worker) throws(IOCPError)'")
    public mutating func started(on worker: Worker) throws(IOCPError) {}
}

extension Handles.Opened {
    @available(
        *, unavailable,
        message: """
            Handles.Opened has 'func opened(_ connection: IocpContext<State>) throws(IOCPError)'
            """
    )
    public mutating func opened(_ connection: IocpContext<State>) throws(IOCPError) {}
}

extension Handles.ConnectFailed {
    @available(
        *, unavailable,
        message: """
            Handles.ConnectFailed has 'func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker)'
            """
    )
    public mutating func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) {}
}

extension Handles.PeerFinished {
    @available(
        *, unavailable,
        message: """
            Handles.PeerFinished has 'func peerFinished(_ connection: IocpContext<State>) throws(IOCPError)'
            """
    )
    public mutating func peerFinished(_ connection: IocpContext<State>) throws(IOCPError) {}
}

extension Handles.Sent {
    @available(
        *, unavailable,
        message: """
            Handles.Sent has 'func sent(key: UInt64, error: IOCPError?, on connection: IocpContext<State>) \
            throws(IOCPError)'
            """
    )
    public mutating func sent(key: UInt64, error: IOCPError?, on connection: IocpContext<State>) throws(IOCPError) {}
}

extension Handles.UnsentFell {
    @available(
        *, unavailable,
        message: """
            Handles.UnsentFell has 'func unsentFell(key: UInt64, error: IOCPError?, on connection: \
            IocpContext<State>) throws(IOCPError)'
            """
    )
    public mutating func unsentFell(key: UInt64, error: IOCPError?, on connection: IocpContext<State>)
        throws(IOCPError)
    {}
}

extension Handles.Writable {
    @available(
        *, unavailable,
        message: """
            Handles.Writable has 'func writable(_ connection: IocpContext<State>) throws(IOCPError)'
            """
    )
    public mutating func writable(_ connection: IocpContext<State>) throws(IOCPError) {}
}

extension Handles.Closed {
    @available(
        *, unavailable,
        message: """
            Handles.Closed has 'func closed(_ connection: IocpContext<State>, reason: CloseReason)'
            """
    )
    public mutating func closed(_ connection: IocpContext<State>, reason: CloseReason) {}
}

extension Handles.Migrated {
    @available(
        *, unavailable,
        message: """
            Handles.Migrated has 'func migrated(_ connection: IocpContext<State>, from worker: Int) throws(IOCPError)'
            """
    )
    public mutating func migrated(_ connection: IocpContext<State>, from worker: Int) throws(IOCPError) {}
}

extension Handles.Posted {
    @available(
        *, unavailable,
        message: """
            Handles.Posted has 'func posted(_ value: UInt64, to connection: IocpContext<State>?, on worker: Worker) \
            throws(IOCPError)'
            """
    )
    public mutating func posted(_ value: UInt64, to connection: IocpContext<State>?, on worker: Worker)
        throws(IOCPError)
    {}
}

extension Handles.PostedObject {
    @available(
        *, unavailable,
        message: """
            Handles.PostedObject has 'func posted(object: any AnyObject & Sendable, to connection: IocpContext<State>?, \
            on worker: Worker) throws(IOCPError)'
            """
    )
    public mutating func posted(
        object: any AnyObject & Sendable, to connection: IocpContext<State>?, on worker: Worker
    ) throws(IOCPError) {}
}

extension Handles.TimerFired {
    @available(
        *, unavailable,
        message: """
            Handles.TimerFired has 'func timerFired(key: UInt64, error: IOCPError?, connection: IocpContext<State>?, \
            on worker: Worker) throws(IOCPError)'
            """
    )
    public mutating func timerFired(key: UInt64, error: IOCPError?, connection: IocpContext<State>?, on worker: Worker)
        throws(IOCPError)
    {}
}

extension Handles.Stopping {
    @available(
        *, unavailable,
        message: """
            Handles.Stopping has 'func stopping(_ connections: borrowing ConnectionPool<State>, on worker: Worker) \
            throws(IOCPError)'
            """
    )
    public mutating func stopping(_ connections: borrowing ConnectionPool<State>, on worker: Worker)
        throws(IOCPError)
    {}
}

extension Handles.Failed {
    @available(
        *, unavailable,
        message: """
            Handles.Failed has 'func failed(_ error: IOCPError, in method: HandlerMethod, on worker: Worker)'
            """
    )
    public mutating func failed(_ error: IOCPError, in method: HandlerMethod, on worker: Worker) {}
}

extension Handles.Stopped {
    @available(*, unavailable, message: "Handles.Stopped has 'func stopped(on worker: Worker)'")
    public mutating func stopped(on worker: Worker) {}
}

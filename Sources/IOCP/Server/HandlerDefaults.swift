import CIOCP

extension ConnectionHandler {
    @inlinable
    public mutating func started(on worker: Worker) throws(IOCPError) {}
    @inlinable
    public mutating func opened(_ connection: IocpContext<State>) throws(IOCPError) {}
    @inlinable
    public mutating func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) {
        tell(error, in: .connectFailed, on: worker)
    }
    @inlinable
    public mutating func peerFinished(_ connection: IocpContext<State>) throws(IOCPError) { connection.close() }
    @inlinable
    public mutating func sent(key: UInt64, error: IOCPError?, on connection: IocpContext<State>) throws(IOCPError) {
        tell(.notTaken("sent(key:error:on:)"), in: .sent, on: connection.worker)
    }
    @inlinable
    public mutating func unsentFell(key: UInt64, error: IOCPError?, on connection: IocpContext<State>) throws(IOCPError)
    {
        tell(.notTaken("unsentFell(key:error:on:)"), in: .unsentFell, on: connection.worker)
    }
    @inlinable
    public mutating func writable(_ connection: IocpContext<State>) throws(IOCPError) {}
    @inlinable
    public mutating func migrating(_ connection: IocpContext<State>, to worker: Int) {}
    @inlinable
    public mutating func migrated(_ connection: IocpContext<State>, from worker: Int) throws(IOCPError) {}
    @inlinable
    public mutating func closed(_ connection: IocpContext<State>, reason: CloseReason) {}
    @inlinable
    public mutating func posted(_ value: UInt64, to connection: IocpContext<State>?, on worker: Worker)
        throws(IOCPError)
    {
        tell(.notTaken("posted(_:to:on:)"), in: .posted, on: worker)
    }
    @inlinable
    public mutating func posted(
        object: any AnyObject & Sendable, to connection: IocpContext<State>?, on worker: Worker
    ) throws(IOCPError) {
        tell(.notTaken("posted(object:to:on:)"), in: .postedObject, on: worker)
    }
    @inlinable
    public mutating func timerFired(
        key: UInt64, error: IOCPError?, connection: IocpContext<State>?, on worker: Worker
    ) throws(IOCPError) {
        tell(.notTaken("timerFired(key:error:connection:on:)"), in: .timerFired, on: worker)
    }
    @inlinable
    public mutating func stopping(_ connections: borrowing ConnectionPool<State>, on worker: Worker) throws(IOCPError) {
    }
    @inlinable
    public mutating func failed(_ error: IOCPError, in method: HandlerMethod, on worker: Worker) {}
    @inlinable
    public mutating func stopped(on worker: Worker) {}
}

extension ConnectionHandler where State == Void {
    /// There is nothing to remember where `State` is `Void`, so a handler need not make it.
    @inlinable
    public mutating func makeState() {}
}

// What a handler must have itself has a default, too, and one that nobody may use: the compiler then says what is meant,
// where it would otherwise list what it looked at.

extension ConnectionHandler {
    @available(
        *, unavailable,
        message: """
            a handler has 'func received(_ bytes: RawSpan, on connection: IocpContext<State>) throws(IOCPError)', or the same \
            with 'consuming ReceivedBytes'; State is Void, or what makeState() returns
            """
    )
    public mutating func received(_ bytes: consuming NoBytes, on connection: IocpContext<State>) throws(IOCPError) {}
}

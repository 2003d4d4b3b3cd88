import CIOCP

extension ConnectionContext {
    /// Subscribes this connection to a topic: it gets every message that is published from now on. Again, it does nothing.
    /// A connection that closes leaves by itself. While it is subscribed to a topic, a connection stays with its worker
    /// (``IocpContext/move(to:)``). O(1).
    ///
    /// ```swift
    /// func opened(_ connection: IocpContext<Void>) throws(IOCPError) { try connection.subscribe(to: prices) }
    /// ```
    /// - Throws: ENOTCONN when closed or closing, EPERM on another thread than the worker's.
    public func subscribe(to topic: Topic) throws(IOCPError) {
        try check(unsafe iocp_connection_refusal(raw, token), .topic)
        worker.topics.subscribe(here, named: connection, to: topic, on: worker)
    }

    /// Leaves a topic: nothing of it is sent here any more, not even what was published before and is still to be
    /// delivered. Harmless without a subscription. O(1). Traps on another thread than the worker's.
    public func unsubscribe(from topic: Topic) {
        requireOwnThread(unsafe iocp_connection_refusal(raw, token))
        if token != 0 { worker.topics.unsubscribe(here, from: topic) }
    }

    /// How many messages of a topic this connection did without since it subscribed, because it was slow; 0 without a
    /// subscription. `writable` is the place to ask: it comes when the connection reads again. O(1).
    public func missedCount(of topic: Topic) -> Int {
        requireOwnThread(unsafe iocp_connection_refusal(raw, token))
        return token != 0 ? worker.topics.missedCount(of: here, in: topic) : 0
    }
}

/// Raw IOCP style: the same, by name.
extension Worker {
    /// See ``ConnectionContext/subscribe(to:)``.
    /// - Throws: as there, and EXDEV for a connection of another worker.
    public func subscribe(_ connection: Connection, to topic: Topic) throws(IOCPError) {
        try check(unsafe iocp_connection_refusal(raw, connection.token), .topic)
        topics.subscribe(Connection(token: here(connection)), named: connection, to: topic, on: self)
    }

    /// See ``ConnectionContext/unsubscribe(from:)``. Traps for a connection of another worker, too.
    public func unsubscribe(_ connection: Connection, from topic: Topic) {
        requireOwnThread(unsafe iocp_connection_refusal(raw, connection.token))
        topics.unsubscribe(Connection(token: here(connection)), from: topic)
    }

    /// See ``ConnectionContext/missedCount(of:)``.
    public func missedCount(of topic: Topic, on connection: Connection) -> Int {
        requireOwnThread(unsafe iocp_connection_refusal(raw, connection.token))
        return topics.missedCount(of: Connection(token: here(connection)), in: topic)
    }
}

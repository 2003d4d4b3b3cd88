import CIOCP

/// When a connection ends for silence; nil: never. ``PortConfiguration`` has the same for all connections of a port.
public struct ConnectionTimeouts: Hashable, Sendable {
    /// Nothing was received, sent or acknowledged for this long: `closed(.idleTimeout)`.
    public var idle: Duration?
    /// Fewer than ``receiveProgressBytes`` were received in this time, while receiving was not held back here:
    /// `closed(.receiveTimeout)`.
    public var receive: Duration?
    /// At least 1.
    public var receiveProgressBytes: Int
    /// Bytes were unsent, and the peer acknowledged nothing in this time: `closed(.sendTimeout)`.
    public var send: Duration?

    /// - Parameters: more than zero and at most one day each.
    public init(
        idle: Duration? = nil, receive: Duration? = nil, receiveProgressBytes: Int = 1, send: Duration? = nil
    ) {
        (self.idle, self.receive, self.send) = (idle, receive, send)
        self.receiveProgressBytes = receiveProgressBytes
    }

    /// - Throws: EINVAL for what no timeout can be.
    func raw() throws(IOCPError) -> iocp_timeouts {
        guard let progress = UInt32(exactly: receiveProgressBytes) else { throw .timeoutsOutOfBounds }
        return iocp_timeouts(
            idle_ns: try nanoseconds(idle), receive_ns: try nanoseconds(receive), send_ns: try nanoseconds(send),
            receive_progress_bytes: progress)
    }

    /// Zero would be none to the core, and says the opposite.
    private func nanoseconds(_ timeout: Duration?) throws(IOCPError) -> UInt64 {
        guard let timeout else { return 0 }
        guard timeout > .zero else { throw .timeoutsOutOfBounds }
        return timeout.wholeNanoseconds
    }
}

extension IOCPError {
    fileprivate static var timeoutsOutOfBounds: IOCPError { IOCPError(code: invalid, operation: .setTimeouts) }
}

extension ConnectionContext {
    /// Gives this connection timeouts of its own in place of the port's. Each begins now, and is up to 9 ms late.
    ///
    /// For a session that logged in, say, or one that turned from requests to a long stream.
    /// - Throws: EINVAL for a timeout that is not more than zero or over one day, or a progress below 1; ENOTCONN when
    ///   closed or closing.
    public func setTimeouts(_ timeouts: ConnectionTimeouts) throws(IOCPError) {
        var raw = try timeouts.raw()
        try check(unsafe iocp_connection_set_timeouts(self.raw, token, &raw), .setTimeouts)
    }
}

extension Worker {
    /// See ``ConnectionContext/setTimeouts(_:)``.
    public func setTimeouts(_ timeouts: ConnectionTimeouts, of connection: Connection) throws(IOCPError) {
        var raw = try timeouts.raw()
        try check(unsafe iocp_connection_set_timeouts(self.raw, connection.token, &raw), .setTimeouts)
    }
}

import CIOCP

/// Raw IOCP style: connections by name, for a loop of one's own. ``IocpContext`` offers the same with an object.
///
/// A call that throws does so with ENOTCONN for a connection that is closed or closing. A peer can close at any moment,
/// so that is no reason to end a loop: its `closed` follows.
/// EXDEV is for a connection of another worker: post to it.
extension Worker {
    /// Queues a copy of the bytes. Windows: `WSASend`.
    @inlinable
    public func send(_ bytes: RawSpan, to connection: Connection) throws(IOCPError) {
        let result = unsafe bytes.withUnsafeBytes { source in
            unsafe iocp_send(raw, connection.token, source.baseAddress, source.count)
        }
        try check(result, .send)
    }

    /// Queues received bytes themselves, without a copy.
    @inlinable
    public func send(_ bytes: consuming ReceivedBytes, to connection: Connection) throws(IOCPError) {
        try unsafe bytes.send(on: connection.token, of: raw)
    }

    /// Queues shared bytes by reference.
    @inlinable
    public func send(_ bytes: SharedBytes, to connection: Connection) throws(IOCPError) {
        try check(unsafe iocp_send_shared(raw, connection.token, bytes.raw), .send)
    }

    /// Asks for one `sent` completion with this key once everything queued so far was taken by the transport.
    @inlinable
    public func notifyWhenSent(_ connection: Connection, key: UInt64) throws(IOCPError) {
        try check(unsafe iocp_send_notify(raw, connection.token, key), .notifyWhenSent)
    }

    /// The key that every completion of the connection carries. Windows: the completion key.
    @inlinable
    public func setKey(_ key: UInt64, of connection: Connection) throws(IOCPError) {
        try check(unsafe iocp_connection_set_key(raw, connection.token, key), .inquiry)
    }

    /// Closes gracefully: what is queued is sent, then FIN. Harmless when the connection is closing or closed already.
    @inlinable
    public func close(_ connection: Connection) {
        requireOwnThread(unsafe iocp_close(raw, connection.token))
    }

    /// Closes at once, with RST. Harmless when the connection is closed already.
    @inlinable
    public func abort(_ connection: Connection) {
        requireOwnThread(unsafe iocp_abort(raw, connection.token))
    }
}

import CIOCP

/// Raw IOCP style: connections by name, for a loop of one's own. ``IocpContext`` offers the same with an object.
///
/// A call that throws does so with ENOTCONN for a connection that is closed or closing. A peer can close at any moment,
/// so that is no reason to end a loop: its `closed` follows.
/// EXDEV is for a connection of another worker: post to it.
extension Worker {
    /// The key that every completion of the connection carries. Windows: the completion key.
    @inlinable
    public func setKey(_ key: UInt64, of connection: Connection) throws(IOCPError) {
        try check(unsafe iocp_connection_set_key(raw, connection.token, key), .inquiry)
    }

    /// The peer's address: see ``ConnectionContext/peerAddress()``.
    public func peerAddress(of connection: Connection) throws(IOCPError) -> SocketAddress {
        try unsafe SocketAddress(ofPeer: connection.token, of: raw)
    }

    /// The address of this end: see ``ConnectionContext/localAddress()``.
    public func localAddress(of connection: Connection) throws(IOCPError) -> SocketAddress {
        try unsafe SocketAddress(ofThisEnd: connection.token, of: raw)
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

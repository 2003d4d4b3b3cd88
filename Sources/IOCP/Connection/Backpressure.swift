import CIOCP

/// Unsent bytes at which a connection is writable again, at which its receive pauses, and which it may never exceed.
public struct Watermarks: Hashable, Sendable {
    /// At this many or fewer, a connection that was over ``high`` is writable again: at least 0, less than ``high``.
    public var low: Int
    /// From this many on, its receive pauses (see ``ConnectionContext/holdsBackReceive``) and `writable` is owed: at most
    /// ``cap``.
    public var high: Int
    /// A send that would take it over this many is refused, or ends it, as ``PortConfiguration/overflowPolicy`` says.
    public var cap: Int

    /// In bytes. Nothing is checked here: ``ConnectionContext/setWatermarks(_:)`` refuses marks that do not fit.
    public init(low: Int, high: Int, cap: Int) {
        (self.low, self.high, self.cap) = (low, high, cap)
    }

    /// - Throws: EINVAL for a number that no mark can be.
    @usableFromInline
    func raw() throws(IOCPError) -> iocp_send_marks {
        guard let low = UInt32(exactly: low), let high = UInt32(exactly: high), let cap = UInt32(exactly: cap) else {
            throw IOCPError(code: IOCPError.invalid, operation: .setWatermarks)
        }
        return iocp_send_marks(low_bytes: low, high_bytes: high, cap_bytes: cap)
    }
}

extension IOCPError {
    @usableFromInline static var invalid: Int32 { 22 /* EINVAL */ }

    /// A number of bytes to fall below: 0 is never reached, and a connection's unsent bytes fit 31 bits.
    @usableFromInline
    static func limit(_ bytes: Int) throws(IOCPError) -> UInt32 {
        guard bytes > 0 else { throw IOCPError(code: invalid, operation: .notifyWhenUnsent) }
        return UInt32(clamping: bytes)
    }
}

extension ConnectionContext {
    /// Asks for one `unsentFell` event once fewer than `limit` bytes are unsent; it follows at once where that is so
    /// already. A connection that closes first ends it with an error, before `closed`.
    ///
    /// For a relay: pause the connection the bytes come from when too many are unsent here, and resume it then.
    /// - Parameter limit: at least 1.
    /// - Throws: EALREADY while an earlier one is outstanding: a connection has one at a time. EINVAL for a limit below
    ///   1, ENOTCONN when closed or closing.
    @inlinable
    public func notifyWhenUnsent(below limit: Int, key: UInt64) throws(IOCPError) {
        try check(unsafe iocp_notify_unsent(raw, token, IOCPError.limit(limit), key), .notifyWhenUnsent)
    }

    /// Whether receiving pauses while this connection's own unsent bytes are above its watermarks. At first as
    /// ``PortConfiguration/holdsBackReceive`` says; false for a connection that is closed or closing.
    ///
    /// Right for a server, whose replies pile up when a peer does not read. Wrong for a relay: what is unsent here came
    /// from another connection, so pause that one instead. Where both ends write much before they read, holding back
    /// both would make each wait for the other for ever. `writable` comes in either case, and the cap holds.
    public var holdsBackReceive: Bool {
        get { unsafe iocp_connection_holds_back(raw, token) }
        set { requireOwnThread(unsafe iocp_connection_hold_back(raw, token, newValue)) }
    }

    /// Gives this connection watermarks of its own, from now on. What is unsent already stays, also above the new cap.
    /// - Throws: EINVAL unless low < high <= cap and the cap is at most ``PortConfiguration/sendCap``; ENOTCONN when
    ///   closed or closing.
    public func setWatermarks(_ watermarks: Watermarks) throws(IOCPError) {
        var marks = try watermarks.raw()
        try check(unsafe iocp_connection_set_marks(raw, token, &marks), .setWatermarks)
    }
}

/// Raw IOCP style: the same, by name.
extension Worker {
    /// See ``ConnectionContext/notifyWhenUnsent(below:key:)``; ends in one `unsentFell` completion with this key.
    @inlinable
    public func notifyWhenUnsent(_ connection: Connection, below limit: Int, key: UInt64) throws(IOCPError) {
        try check(unsafe iocp_notify_unsent(raw, connection.token, IOCPError.limit(limit), key), .notifyWhenUnsent)
    }

    /// See ``ConnectionContext/holdsBackReceive``.
    public func setHoldsBackReceive(_ holdsBack: Bool, of connection: Connection) throws(IOCPError) {
        try check(unsafe iocp_connection_hold_back(raw, connection.token, holdsBack), .receive)
    }

    /// See ``ConnectionContext/setWatermarks(_:)``.
    public func setWatermarks(_ watermarks: Watermarks, of connection: Connection) throws(IOCPError) {
        var marks = try watermarks.raw()
        try check(unsafe iocp_connection_set_marks(raw, connection.token, &marks), .setWatermarks)
    }

    /// Bytes queued and not yet taken by the transport; 0 for a connection that has closed.
    public func unsentByteCount(of connection: Connection) -> Int {
        unsafe Int(iocp_connection_unsent_bytes(raw, connection.token))
    }

    /// Stops receiving; the peer is held back by TCP. Bytes already on their way may still be delivered.
    @inlinable
    public func pauseReceiving(_ connection: Connection) throws(IOCPError) {
        try check(unsafe iocp_receive_pause(raw, connection.token), .receive)
    }

    /// Receives again after ``pauseReceiving(_:)``. Harmless for a connection that is not paused.
    /// - Throws: ENOTCONN when closed or closing.
    @inlinable
    public func resumeReceiving(_ connection: Connection) throws(IOCPError) {
        try check(unsafe iocp_receive_resume(raw, connection.token), .receive)
    }

    /// Sends FIN after what is queued; receiving goes on.
    @inlinable
    public func finishSending(_ connection: Connection) throws(IOCPError) {
        try check(unsafe iocp_finish_sending(raw, connection.token), .close)
    }
}

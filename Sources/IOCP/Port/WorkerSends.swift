import CIOCP

/// Raw IOCP style: every way to send that ``IocpContext`` has, by name, with the same bounds and errors.
///
/// ENOTCONN for a connection that is closed or closing, and EXDEV for one of another worker: post to it.
extension Worker {
    @inlinable
    @inline(__always)
    func target(_ connection: Connection) -> SendTarget { unsafe SendTarget(raw, connection.token) }

    /// Queues a copy of the bytes. Windows: `WSASend`.
    @inlinable
    public func send(_ bytes: RawSpan, to connection: Connection) throws(IOCPError) {
        try target(connection).send(bytes)
    }

    /// Queues a copy of the bytes.
    @inlinable
    public func send(_ bytes: Span<UInt8>, to connection: Connection) throws(IOCPError) {
        try unsafe target(connection).send(bytes.bytes)
    }

    /// Queues a copy of an array's bytes.
    @inlinable
    public func send(_ bytes: [UInt8], to connection: Connection) throws(IOCPError) {
        try unsafe target(connection).send(bytes.span.bytes)
    }

    /// Queues a copy of a string's UTF-8.
    @inlinable
    public func send(_ text: String, to connection: Connection) throws(IOCPError) {
        try target(connection).send(text.utf8)
    }

    /// Queues a copy of whatever gives bytes: see ``ConnectionContext/send(_:)-(Sequence<UInt8>)``.
    @inlinable
    public func send(_ bytes: some Sequence<UInt8>, to connection: Connection) throws(IOCPError) {
        try target(connection).send(bytes)
    }

    /// Queues two stretches of bytes as one send, in this order. Windows: `WSASend` with several buffers.
    @inlinable
    public func send(_ first: RawSpan, _ second: RawSpan, to connection: Connection) throws(IOCPError) {
        try target(connection).send(first, second)
    }

    /// Queues three stretches of bytes as one send, in this order.
    @inlinable
    public func send(
        _ first: RawSpan, _ second: RawSpan, _ third: RawSpan, to connection: Connection
    ) throws(IOCPError) {
        try target(connection).send(first, second, third)
    }

    /// Queues four stretches of bytes as one send, in this order.
    @inlinable
    public func send(
        _ first: RawSpan, _ second: RawSpan, _ third: RawSpan, _ fourth: RawSpan, to connection: Connection
    ) throws(IOCPError) {
        try target(connection).send(first, second, third, fourth)
    }

    /// Queues bytes that a closure writes straight into the memory they leave from: see
    /// ``ConnectionContext/send(capacity:_:)``.
    @inlinable
    public func send(
        capacity: Int, to connection: Connection, _ write: (inout OutputRawSpan) throws(IOCPError) -> Void
    ) throws(IOCPError) {
        try target(connection).write(capacity: capacity, write)
    }

    /// Queues any number of parts, of any size, as one send: see ``SendParts``.
    @inlinable
    public func send(
        to connection: Connection, _ build: (inout SendParts) throws(IOCPError) -> Void
    ) throws(IOCPError) {
        try target(connection).build(build)
    }

    /// Queues received bytes themselves, without a copy.
    @inlinable
    public func send(_ bytes: consuming ReceivedBytes, to connection: Connection) throws(IOCPError) {
        try unsafe bytes.send(on: connection.token, of: raw)
    }

    /// Queues shared bytes by reference.
    @inlinable
    public func send(_ bytes: SharedBytes, to connection: Connection) throws(IOCPError) {
        try target(connection).send(bytes)
    }

    /// Queues bytes of your own memory by reference: see ``ConnectionContext/send(_:keptBy:)``.
    @unsafe
    public func send(
        _ bytes: UnsafeRawBufferPointer, keptBy owner: AnyObject, to connection: Connection
    ) throws(IOCPError) {
        try unsafe target(connection).send(bytes, keptBy: owner)
    }

    /// Asks for one `sent` completion with this key once everything queued so far was taken by the transport.
    @inlinable
    public func notifyWhenSent(_ connection: Connection, key: UInt64) throws(IOCPError) {
        try check(unsafe iocp_send_notify(raw, connection.token, key), .notifyWhenSent)
    }
}

/// Sending frames with a length before them.
extension ConnectionContext {
    /// Queues a payload behind its length, as one send: both or neither.
    ///
    /// ```swift
    /// try connection.send(framed: payload, by: framing)
    /// ```
    ///
    /// O(count); allocates nothing.
    /// - Parameter framing: how the length is written. Its ``LengthPrefixed/maximumByteCount`` is what is received at
    ///   most, and does not bind what is sent.
    /// - Throws: EOVERFLOW if the width cannot count the payload's bytes; or as ``send(_:)-(RawSpan)``.
    @inlinable
    public func send(framed payload: RawSpan, by framing: LengthPrefixed) throws(IOCPError) {
        let prefix = try framing.prefix(forByteCount: payload.byteCount)
        try send(prefix.bytes, payload)
    }

    /// Queues an array's bytes behind their length, as one send.
    @inlinable
    public func send(framed payload: [UInt8], by framing: LengthPrefixed) throws(IOCPError) {
        try unsafe send(framed: payload.span.bytes, by: framing)
    }
}

/// The same in the raw style.
extension Worker {
    /// Queues a payload behind its length, as one send: see ``ConnectionContext/send(framed:by:)-(RawSpan,_)``.
    @inlinable
    public func send(
        framed payload: RawSpan, by framing: LengthPrefixed, to connection: Connection
    ) throws(IOCPError) {
        let prefix = try framing.prefix(forByteCount: payload.byteCount)
        try send(prefix.bytes, payload, to: connection)
    }

    /// Queues an array's bytes behind their length, as one send.
    @inlinable
    public func send(
        framed payload: [UInt8], by framing: LengthPrefixed, to connection: Connection
    ) throws(IOCPError) {
        try unsafe send(framed: payload.span.bytes, by: framing, to: connection)
    }
}

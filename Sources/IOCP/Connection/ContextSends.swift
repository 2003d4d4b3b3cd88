import CIOCP

/// Sending on a connection. Each call is all or nothing: it queues everything that it is given, or throws and queues
/// nothing. Sends leave in the order of their calls.
extension ConnectionContext {
    @inlinable
    @inline(__always)
    var target: SendTarget { unsafe SendTarget(raw, token) }

    /// Queues a copy of the bytes; everything queued between two waits leaves in one send where it can.
    ///
    /// That gathers small messages without a delay, so TCP_NODELAY is set on every connection and cannot be changed.
    /// All or nothing. O(count); allocates nothing.
    /// - Throws: ENOTCONN when closing, EPIPE after ``finishSending()``, ENOBUFS when the worker's send memory is full,
    ///   EAGAIN over ``PortConfiguration/sendCap``, EMSGSIZE when this message alone is larger than that, EBUSY within
    ///   a closure that writes another send of this worker.
    @inlinable
    public func send(_ bytes: RawSpan) throws(IOCPError) {
        try target.send(bytes)
    }

    /// Queues a copy of the bytes.
    @inlinable
    public func send(_ bytes: Span<UInt8>) throws(IOCPError) {
        try unsafe target.send(bytes.bytes)
    }

    /// Queues a copy of an array's bytes.
    @inlinable
    public func send(_ bytes: [UInt8]) throws(IOCPError) {
        try unsafe target.send(bytes.span.bytes)
    }

    /// Queues a copy of a string's UTF-8. O(count); allocates nothing.
    @inlinable
    public func send(_ text: String) throws(IOCPError) {
        try target.send(text.utf8)
    }

    /// Queues a copy of whatever gives bytes: a slice, a lazy map, joined arrays. O(count); no array lies between.
    ///
    /// ```swift
    /// try connection.send(lines.joined(separator: [10]))
    /// ```
    ///
    /// All or nothing, whether the count is known before or not: what was copied before a refusal is dropped, but a
    /// sequence that can be iterated only once is spent up to there. One without an end is refused with EMSGSIZE once
    /// it is larger than the cap; behind unsent bytes it may be EAGAIN first. What runs while it is iterated cannot send
    /// on this worker: EBUSY.
    @inlinable
    public func send(_ bytes: some Sequence<UInt8>) throws(IOCPError) {
        try target.send(bytes)
    }

    /// Queues two stretches of bytes as one send, in this order: a head and its payload.
    ///
    /// ```swift
    /// try connection.send(head.span.bytes, payload)
    /// ```
    ///
    /// Both or neither is queued. O(count); allocates nothing.
    @inlinable
    public func send(_ first: RawSpan, _ second: RawSpan) throws(IOCPError) {
        try target.send(first, second)
    }

    /// Queues three stretches of bytes as one send, in this order.
    @inlinable
    public func send(_ first: RawSpan, _ second: RawSpan, _ third: RawSpan) throws(IOCPError) {
        try target.send(first, second, third)
    }

    /// Queues four stretches of bytes as one send, in this order. For more, see ``SendParts``.
    @inlinable
    public func send(_ first: RawSpan, _ second: RawSpan, _ third: RawSpan, _ fourth: RawSpan) throws(IOCPError) {
        try target.send(first, second, third, fourth)
    }

    /// Queues bytes that a closure writes straight into the memory they leave from.
    ///
    /// ```swift
    /// try connection.send(capacity: 20) { output in
    ///     for digit in String(count).utf8 { output.append(digit) }
    ///     output.append(10)
    /// }
    /// ```
    ///
    /// The call is refused, before the closure runs, where a send of `capacity` bytes would be; where the overflow
    /// policy closes, it ends the connection then. What the closure wrote is queued when it returns. When it throws,
    /// nothing is. A closure that throws says so: `{ output throws(IOCPError) in … }`.
    ///
    /// The closure may close connections, and nothing else of this worker may send within it: such a call throws EBUSY.
    /// - Parameters:
    ///   - capacity: 0 to 16,384 bytes, of which the closure may leave some unused. For more, use
    ///     ``SendParts``.
    ///   - write: appends bytes. It traps if it appends more than the capacity, or puts another output in the place of
    ///     this one.
    /// - Throws: EINVAL for another capacity, what the closure threw, or as ``send(_:)-(RawSpan)``.
    /// - Complexity: O(1) beside the closure; allocates nothing. Where the memory that is being filled has less than
    ///   the capacity left, few bytes are copied once.
    @inlinable
    public func send(
        capacity: Int, _ write: (inout OutputRawSpan) throws(IOCPError) -> Void
    ) throws(IOCPError) {
        try target.write(capacity: capacity, write)
    }

    /// Queues any number of parts, of any size, as one send: see ``SendParts``.
    @inlinable
    public func send(_ build: (inout SendParts) throws(IOCPError) -> Void) throws(IOCPError) {
        try target.build(build)
    }

    /// Queues received bytes themselves: nothing is copied, and the buffer goes back once they are sent.
    @inlinable
    public func send(_ bytes: consuming ReceivedBytes) throws(IOCPError) {
        try unsafe bytes.send(on: token, of: raw)
    }

    /// Queues shared bytes by reference. O(1) for any size.
    @inlinable
    public func send(_ bytes: SharedBytes) throws(IOCPError) {
        try target.send(bytes)
    }

    /// Queues bytes of your own memory by reference: nothing is copied, and `owner` keeps them.
    ///
    /// They stay as they are until `owner` is let go, which is when they were sent, or dropped with their connection; on
    /// this worker's thread, or on one that closes what is left of the port. A refused send keeps nothing. For the bytes of
    /// one `malloc` that many connections get, ``SharedBytes`` is the safe form. O(1); allocates 64 bytes. It pays from some
    /// 16 KiB on.
    /// - Throws: ENOMEM, or as ``send(_:)-(SharedBytes)``.
    @unsafe
    public func send(_ bytes: UnsafeRawBufferPointer, keptBy owner: AnyObject) throws(IOCPError) {
        try unsafe target.send(bytes, keptBy: owner)
    }

    /// Asks for one `sent` event once everything queued so far was taken by the transport.
    @inlinable
    public func notifyWhenSent(key: UInt64) throws(IOCPError) {
        try check(unsafe iocp_send_notify(raw, token, key), .notifyWhenSent)
    }

    /// Bytes queued and not yet taken by the transport.
    public var unsentByteCount: Int { unsafe Int(iocp_connection_unsent_bytes(raw, token)) }
}

import CIOCP

/// One send that is written piece by piece, straight into the memory that it leaves from.
///
/// ```swift
/// try connection.send { parts throws(IOCPError) in
///     try parts.append("HTTP/1.1 200 OK\r\ncontent-length: ")
///     try parts.append("\(page.byteCount)\r\n\r\n")
///     try parts.append(page)
/// }
/// ```
///
/// All of it is queued when the closure returns, or nothing: when the closure throws, or when a part was refused, even
/// if the closure caught that error. Its place among the connection's sends is that of the closure's end.
///
/// Nothing else can be sent meanwhile, on any connection of this worker: such a call throws EBUSY. Any number of parts
/// is allowed; their sum is bounded as that of one send is.
///
/// Thread: the worker's, within the closure.
@safe
@frozen
public struct SendParts: ~Copyable {
    @usableFromInline let worker: OpaquePointer

    @inlinable
    init(_ worker: OpaquePointer) {
        unsafe self.worker = worker
    }

    /// Copies bytes to the end. O(count); allocates nothing.
    /// - Throws: as ``ConnectionContext/send(_:)-(RawSpan)`` would for all parts so far; it is final.
    @inlinable
    public mutating func append(_ bytes: RawSpan) throws(IOCPError) {
        let result = unsafe bytes.withUnsafeBytes { source in
            unsafe iocp_draft_append(worker, source.baseAddress, source.count)
        }
        try check(result, .send)
    }

    /// Copies bytes to the end.
    @inlinable
    public mutating func append(_ bytes: Span<UInt8>) throws(IOCPError) {
        try unsafe append(bytes.bytes)
    }

    /// Copies a string's UTF-8 to the end, without an array between.
    @inlinable
    public mutating func append(_ text: String) throws(IOCPError) {
        try append(text.utf8)
    }

    /// Copies an array, or whatever else gives bytes, to the end, without an array between.
    @inlinable
    public mutating func append(_ bytes: some Sequence<UInt8>) throws(IOCPError) {
        let result = bytes.withContiguousStorageIfAvailable { source in
            unsafe iocp_draft_append(worker, source.baseAddress, source.count)
        }
        guard let result else { return try appendEach(of: bytes) }
        try check(result, .send)
    }

    /// Writes at the end, in place: see ``ConnectionContext/send(capacity:_:)``. When `write` throws, nothing of this part
    /// is kept; a closure that catches that may go on.
    /// - Parameter capacity: 0 to 16,384 bytes; `write` may leave some of them unused.
    @inlinable
    public mutating func append(
        capacity: Int, _ write: (inout OutputRawSpan) throws(IOCPError) -> Void
    ) throws(IOCPError) {
        var start: UnsafeMutablePointer<UInt8>?
        // A negative capacity is a very large size_t, and refused as that.
        try check(unsafe iocp_draft_reserve(worker, capacity, &start), .send)
        // The room is this call's alone until `keep`: no other send is taken, and a worker that is closed traps.
        let room = unsafe UnsafeMutableRawBufferPointer(start: start, count: capacity)
        var output = unsafe OutputRawSpan(buffer: room, initializedCount: 0)
        try write(&output)
        let count = unsafe output.finalize(for: room)
        try check(unsafe iocp_draft_keep(worker, UInt32(truncatingIfNeeded: count)), .send)
    }

    /// By way of a block on the stack.
    @inlinable
    mutating func appendEach(of bytes: some Sequence<UInt8>) throws(IOCPError) {
        var block = InlineArray<512, UInt8>(repeating: 0)
        var count = 0
        for byte in bytes {
            if count == block.count {
                try unsafe append(block.span.bytes)
                count = 0
            }
            block[count] = byte
            count += 1
        }
        try unsafe append(block.span.bytes.extracting(first: count))
    }
}

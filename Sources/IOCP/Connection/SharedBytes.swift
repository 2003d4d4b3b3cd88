import CIOCP

/// Bytes that many connections send without a copy for each: one buffer, counted references.
///
/// Immutable once made, so it may be sent from any worker's thread.
@safe
public final class SharedBytes: @unchecked Sendable {
    // @unchecked: written only by init; the core's reference count is atomic.
    @usableFromInline let raw: OpaquePointer

    /// Copies the bytes, once: at most 2,147,483,647, since no connection's ``PortConfiguration/sendCap`` is larger.
    /// - Throws: EMSGSIZE for more, ENOMEM.
    public init(_ bytes: RawSpan) throws(IOCPError) {
        guard let count = Int32(exactly: bytes.byteCount) else {
            throw IOCPError(code: 90 /* EMSGSIZE */, operation: .send)
        }
        guard let raw = unsafe iocp_shared_bytes_create(UInt32(count)) else {
            throw IOCPError(code: 12 /* ENOMEM */, operation: .memory, detail: "shared bytes")
        }
        unsafe self.raw = raw
        unsafe bytes.withUnsafeBytes { source in
            guard let start = source.baseAddress else { return }
            unsafe UnsafeMutableRawPointer(iocp_shared_bytes_start(raw)).copyMemory(
                from: start, byteCount: source.count)
        }
    }

    /// Copies an array's bytes, once: at most 2,147,483,647.
    /// - Throws: EMSGSIZE for more, ENOMEM.
    public convenience init(_ bytes: [UInt8]) throws(IOCPError) {
        try unsafe self.init(bytes.span.bytes)
    }

    /// Copies a string's UTF-8, once.
    public convenience init(_ text: String) throws(IOCPError) {
        try unsafe self.init(text.utf8Span.span.bytes)
    }

    deinit {
        unsafe iocp_shared_bytes_release(raw)
    }

    /// The number of bytes: 0 to 2,147,483,647.
    public var count: Int { unsafe Int(iocp_shared_bytes_count(raw)) }
}

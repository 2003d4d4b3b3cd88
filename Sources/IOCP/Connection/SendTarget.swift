import CIOCP

/// A connection by its worker and its name, and every way to send on it: what a context and a worker offer.
@safe
@frozen
@usableFromInline
struct SendTarget {
    @usableFromInline let worker: OpaquePointer
    @usableFromInline let token: iocp_token

    @inlinable
    @inline(__always)
    init(_ worker: OpaquePointer, _ token: iocp_token) {
        unsafe self.worker = worker
        self.token = token
    }

    @inlinable
    func send(_ bytes: RawSpan) throws(IOCPError) {
        let result = unsafe bytes.withUnsafeBytes { source in
            unsafe iocp_send(worker, token, source.baseAddress, source.count)
        }
        try check(result, .send)
    }

    @inlinable
    func send(_ bytes: some Sequence<UInt8>) throws(IOCPError) {
        let result = bytes.withContiguousStorageIfAvailable { source in
            unsafe iocp_send(worker, token, source.baseAddress, source.count)
        }
        if let result { return try check(result, .send) }
        try build { (parts: inout SendParts) throws(IOCPError) in try parts.appendEach(of: bytes) }
    }

    /// Two to four stretches of bytes as one send. Each pointer is used within its own closure, which keeps its bytes.
    @inlinable
    func send(
        _ first: RawSpan, _ second: RawSpan, _ third: RawSpan = RawSpan(), _ fourth: RawSpan = RawSpan()
    ) throws(IOCPError) {
        let result = unsafe first.withUnsafeBytes { first in
            unsafe second.withUnsafeBytes { second in
                unsafe third.withUnsafeBytes { third in
                    unsafe fourth.withUnsafeBytes { fourth in
                        unsafe send(parts: [Self.part(first), Self.part(second), Self.part(third), Self.part(fourth)])
                    }
                }
            }
        }
        try check(result, .send)
    }

    @inlinable
    @inline(__always)
    static func part(_ bytes: UnsafeRawBufferPointer) -> iocp_send_part {
        unsafe iocp_send_part(bytes: bytes.baseAddress, count_bytes: bytes.count)
    }

    @inlinable
    @inline(__always)
    func send(parts: InlineArray<4, iocp_send_part>) -> Int32 {
        unsafe parts.span.withUnsafeBufferPointer { parts in
            unsafe iocp_send_parts(worker, token, parts.baseAddress, UInt32(truncatingIfNeeded: parts.count))
        }
    }

    @inlinable
    func send(_ bytes: SharedBytes) throws(IOCPError) {
        try check(unsafe iocp_send_shared(worker, token, bytes.raw), .send)
    }

    func send(_ bytes: UnsafeRawBufferPointer, keptBy owner: AnyObject) throws(IOCPError) {
        guard let start = bytes.baseAddress, let count = Int32(exactly: bytes.count) else {
            // Without a byte there is nothing to keep; and more than 31 bits hold is over every cap.
            return try unsafe check(iocp_send(worker, token, bytes.baseAddress, bytes.count), .send)
        }
        let kept = unsafe Unmanaged.passRetained(owner)
        let release: iocp_owner_release = { owner in
            if let owner = unsafe owner { unsafe Unmanaged<AnyObject>.fromOpaque(owner).release() }
        }
        guard let shared = unsafe iocp_shared_bytes_borrow(start, UInt32(count), kept.toOpaque(), release) else {
            unsafe kept.release()
            throw IOCPError(code: 12 /* ENOMEM */, operation: .memory, detail: "a send by reference")
        }
        defer { unsafe iocp_shared_bytes_release(shared) }
        try check(unsafe iocp_send_shared(worker, token, shared), .send)
    }

    @inlinable
    func write(
        capacity: Int, _ write: (inout OutputRawSpan) throws(IOCPError) -> Void
    ) throws(IOCPError) {
        try build { (parts: inout SendParts) throws(IOCPError) in try parts.append(capacity: capacity, write) }
    }

    /// Queues what `build` appends, or nothing when it throws.
    @inlinable
    func build(_ build: (inout SendParts) throws(IOCPError) -> Void) throws(IOCPError) {
        try check(unsafe iocp_draft_open(worker, token), .send)
        var parts = unsafe SendParts(worker)
        do throws(IOCPError) {
            try build(&parts)
        } catch {
            unsafe iocp_draft_discard(worker)
            throw error
        }
        try check(unsafe iocp_draft_send(worker), .send)
    }
}

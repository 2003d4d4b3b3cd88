import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The bytes of one receive, lent by the worker's buffer ring without a copy.
///
/// Dropping the value gives the buffer back, so hold it briefly: while every buffer is lent, this worker's connections
/// wait for one (no bytes are lost). It may outlive its worker and its port, whose buffers stay until the last lease is
/// dropped.
///
/// Thread: its worker's, until the worker has ended; dropped on another one it traps. It is not `Sendable`.
///
/// It may be sent on any connection of the same worker, not only on the one it came from. A connection of another worker
/// of this thread is sent a copy. For a worker of another thread, copy the bytes into ``SharedBytes`` and post to it.
/// - Complexity: O(1); never allocates.
@safe
@frozen
public struct ReceivedBytes: ~Copyable {
    @usableFromInline let worker: OpaquePointer
    @usableFromInline let start: UnsafePointer<UInt8>
    @usableFromInline let lease: UInt16
    /// The number of bytes: at most ``PortConfiguration/receiveBufferBytes``, unless a layer (TLS) opened several records as
    /// one.
    public let count: Int

    @inlinable
    @inline(__always)
    init(_ record: iocp_completion, worker: OpaquePointer) {
        unsafe self.worker = worker
        unsafe start = record.bytes
        unsafe lease = record.detail
        count = unsafe Int(record.result)
    }

    /// The lease of bytes that lie in memory of their own: see `IOCP_LEASE_NONE`.
    @usableFromInline static let copied = UInt16.max

    /// Whether they lie in memory of their own, and keep no buffer of the worker's.
    var isCopied: Bool { lease == ReceivedBytes.copied }

    /// Takes over what ``lend()`` gave.
    init(_ lent: LentBytes, worker: OpaquePointer) {
        unsafe self.worker = worker
        lease = lent.lease
        count = Int(lent.count - lent.skipped)
        if lent.lease == ReceivedBytes.copied && lent.skipped > 0 {
            // The memory is given back by where it begins.
            let memory = unsafe UnsafeMutableRawPointer(mutating: lent.start)
            unsafe memory.copyMemory(from: lent.start + Int(lent.skipped), byteCount: count)
            unsafe start = lent.start
        } else {
            unsafe start = lent.start + Int(lent.skipped)
        }
    }

    /// The value without its owner, to be kept in a table; it is taken back by ``init(_:worker:)``, once.
    consuming func lend() -> LentBytes {
        let lent = unsafe LentBytes(start: start, count: UInt32(truncatingIfNeeded: count), lease: lease)
        discard self
        return lent
    }

    /// A copy in memory of its own, which gives the buffer back; itself where it lies so already.
    consuming func copied() -> ReceivedBytes {
        if isCopied { return self }
        return unsafe ReceivedBytes(copying: bytes, worker: worker)
    }

    /// A copy of any bytes, of at most 4 GiB.
    init(copying bytes: RawSpan, worker: OpaquePointer) {
        guard let memory = unsafe malloc(max(1, bytes.byteCount)) else {
            fatalError("no memory for a copy of received bytes")
        }
        unsafe bytes.withUnsafeBytes { source in
            unsafe UnsafeMutableRawBufferPointer(start: memory, count: source.count).copyMemory(from: source)
        }
        unsafe self.worker = worker
        unsafe start = UnsafePointer(memory.assumingMemoryBound(to: UInt8.self))
        lease = ReceivedBytes.copied
        count = bytes.byteCount
    }

    @inlinable
    deinit {
        if lease == ReceivedBytes.copied {
            unsafe iocp_bytes_free(start)
        } else {
            unsafe iocp_lease_return(worker, lease)
        }
    }

    /// The bytes themselves, where the kernel wrote them.
    @inlinable
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        @inline(__always)
        get {
            let span = unsafe RawSpan(_unsafeStart: UnsafeRawPointer(start), byteCount: count)
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// Lends the bytes for a call. To look at them in a `let` and then to send them takes this; ``bytes`` there leaves them
    /// borrowed, and the compiler refuses the send.
    ///
    /// ```swift
    /// guard let bytes = try await connection.next() else { return }
    /// if bytes.withBytes({ $0.isEmpty }) { return }
    /// try await connection.send(bytes)
    /// ```
    @inlinable
    public func withBytes<Value, Failure: Error>(_ body: (RawSpan) throws(Failure) -> Value) throws(Failure) -> Value {
        try body(bytes)
    }

    /// Queues the lease itself on a connection of its own worker, and a copy on another worker's of the same thread. On
    /// success the lease belongs to the send queue or is given back; on failure it is given back.
    @inlinable
    consuming func send(on connection: iocp_token, of receiver: OpaquePointer) throws(IOCPError) {
        guard unsafe receiver == worker && lease != ReceivedBytes.copied else {
            let result = unsafe iocp_send(receiver, connection, start, count)
            _ = consume self
            try check(result, .send)
            return
        }
        let result = unsafe iocp_send_lease(worker, connection, lease, start, UInt32(truncatingIfNeeded: count))
        if result < 0 {
            _ = consume self
            throw IOCPError(result: result, .send)
        }
        discard self
    }
}

/// ``ReceivedBytes`` without an owner. Whoever holds it takes it back once.
@safe
struct LentBytes {
    let start: UnsafePointer<UInt8>
    let count: UInt32
    let lease: UInt16
    /// The first so many were read already.
    var skipped: UInt32 = 0

    /// Valid until they are taken back.
    @unsafe
    var unread: RawSpan {
        @_lifetime(immortal)
        get {
            let span = unsafe RawSpan(_unsafeStart: start + Int(skipped), byteCount: Int(count - skipped))
            return unsafe _overrideLifetime(span, borrowing: ())
        }
    }
}

import CIOCP

/// The bytes of one receive, lent by the worker's buffer ring without a copy.
///
/// Dropping the value gives the buffer back, so hold it briefly: while every buffer is lent, this worker's connections
/// wait for one (no bytes are lost). It belongs to its worker's thread and must not outlive the worker.
///
/// It may be sent on any connection of the same worker, not only on the one it came from. A connection of another worker
/// refuses it with EXDEV: copy the bytes into ``SharedBytes`` and post to that worker.
/// - Complexity: O(1); never allocates.
@safe
@frozen
public struct ReceivedBytes: ~Copyable {
    @usableFromInline let worker: OpaquePointer
    @usableFromInline let start: UnsafePointer<UInt8>
    @usableFromInline let lease: UInt16
    public let count: Int

    @inlinable
    @inline(__always)
    init(_ record: iocp_completion, worker: OpaquePointer) {
        unsafe self.worker = worker
        unsafe start = record.bytes
        unsafe lease = record.detail
        count = unsafe Int(record.result)
    }

    @inlinable
    deinit {
        unsafe iocp_lease_return(worker, lease)
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

    /// Queues the lease itself on a connection. On success it belongs to the send queue; on failure it is given back.
    @inlinable
    consuming func send(on connection: iocp_token) throws(IOCPError) {
        let result = unsafe iocp_send_lease(worker, connection, lease, start, UInt32(count))
        if result < 0 {
            _ = consume self
            throw IOCPError(result: result, .send)
        }
        discard self
    }
}

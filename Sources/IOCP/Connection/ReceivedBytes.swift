import CIOCP

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

    /// Queues the lease itself on a connection of its own worker, and a copy on another worker's of the same thread. On
    /// success the lease belongs to the send queue or is given back; on failure it is given back.
    @inlinable
    consuming func send(on connection: iocp_token, of receiver: OpaquePointer) throws(IOCPError) {
        guard unsafe receiver == worker else {
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

import CIOCP

/// One completion record: what happened, and to which connection.
///
/// Windows: an `OVERLAPPED_ENTRY`. A copy of 32 bytes; what was received or posted stays in the batch until taken with
/// ``CompletionBatch/takeBytes(at:)`` or ``CompletionBatch/takeObject(at:)``.
@safe
public struct Completion {
    /// The kinds of events, with the error or the reason where there is one.
    public enum Event: Hashable, Sendable {
        /// A connection was accepted or connected; its first completion.
        case opened
        /// The end of ``Worker/connect(to:from:key:timeout:security:)-(SocketAddress,_,_,_,_)`` that did not open.
        case connectFailed(IOCPError)
        /// This many bytes arrived.
        case received(Int)
        /// The peer sent FIN; sending still works. Only with `deliversHalfClose`.
        case peerFinished
        /// Everything queued before the notification was taken by the transport, or the connection failed first.
        case sent(IOCPError?)
        /// Unsent bytes fell to the low watermark.
        case writable
        /// The connection's last completion.
        case closed(CloseReason)
        /// A post of a number, which is the completion's ``key``.
        case posted
        /// A post of an object: see ``CompletionBatch/takeObject(at:)``.
        case postedObject
        /// A user timer fired, or ended early with ECANCELED.
        case timer(IOCPError?)
        /// The port stops, or this worker leaves it; once, behind every post that was accepted before. Connections are
        /// open: what is sent now leaves before their FIN. The next wait begins to close them.
        case stopping
        /// The unsent bytes fell below the limit of a notification, or the connection closed first.
        case unsentFell(IOCPError?)
    }

    @usableFromInline let raw: iocp_completion

    @usableFromInline
    init(raw: iocp_completion) {
        unsafe self.raw = raw
    }

    /// The connection, or nil for a post to a worker and for `stopping`.
    public var connection: Connection? {
        unsafe raw.connection == 0 ? nil : Connection(token: raw.connection)
    }

    /// For `opened`, the listener that a client came from: ``CompletionPort/listener(_:)`` has the rest. nil for a connection
    /// that ``Worker/connect(to:from:key:timeout:security:)-(SocketAddress,_,_,_,_)`` made, and for every other event.
    public var listener: Listener.ID? {
        unsafe raw.kind == IOCP_COMPLETION_OPENED && raw.detail != 0 ? Listener.ID(name: raw.detail) : nil
    }

    /// The connection's key, the posted value, or the key given to connect or to the notification.
    public var key: UInt64 { unsafe raw.key }

    /// The event, with its error or reason. O(1).
    public var event: Event {
        switch unsafe raw.kind {
        case IOCP_COMPLETION_OPENED: .opened
        case IOCP_COMPLETION_CONNECT_FAILED: .connectFailed(unsafe IOCPError(result: raw.result, .connect))
        case IOCP_COMPLETION_RECEIVED: .received(unsafe Int(raw.result))
        case IOCP_COMPLETION_PEER_FINISHED: .peerFinished
        case IOCP_COMPLETION_SENT: .sent(unsafe raw.result < 0 ? IOCPError(result: raw.result, .notifyWhenSent) : nil)
        case IOCP_COMPLETION_WRITABLE: .writable
        case IOCP_COMPLETION_CLOSED: .closed(unsafe CloseReason(reason: raw.detail, result: raw.result))
        case IOCP_COMPLETION_POSTED: unsafe PostedObject.isObject(raw) ? .postedObject : .posted
        case IOCP_COMPLETION_TIMER: .timer(unsafe raw.result < 0 ? IOCPError(result: raw.result, .timer) : nil)
        case IOCP_COMPLETION_STOPPING: .stopping
        case IOCP_COMPLETION_UNSENT_FELL:
            .unsentFell(unsafe raw.result < 0 ? IOCPError(result: raw.result, .notifyWhenUnsent) : nil)
        // LEAVING and ARRIVED are for handlers, which take part in moves.
        default: preconditionFailure("the core handed out a completion of an unknown kind")
        }
    }
}

/// Room for the completions of one wait.
///
/// Receive leases and posted objects that were not taken are given back by the next wait, or when the batch goes. It may
/// outlive its worker
/// and its port. Thread: that of the worker whose completions are in it.
@safe
public struct CompletionBatch: ~Copyable {
    @usableFromInline let records: UnsafeMutablePointer<iocp_completion>
    @usableFromInline var worker: OpaquePointer?
    /// How many completions one wait may bring.
    public let capacity: Int
    /// How many the latest wait brought.
    public private(set) var count = 0

    /// - Parameter capacity: 16 to 1,048,576 completions of 32 bytes; another one traps.
    public init(capacity: Int = 256) {
        precondition(
            capacity >= Int(IOCP_WAIT_CAPACITY_MIN) && capacity <= 1 << 20,
            "a batch holds \(IOCP_WAIT_CAPACITY_MIN) to 1,048,576 completions")
        unsafe records = .allocate(capacity: capacity)
        unsafe worker = nil
        self.capacity = capacity
    }

    deinit {
        for index in 0..<count { unsafe CompletionBatch.giveBack(&records[index], of: worker) }
        unsafe records.deallocate()
    }

    /// - Complexity: O(1).
    public subscript(index: Int) -> Completion {
        precondition(index >= 0 && index < count, "completion index out of bounds")
        return unsafe Completion(raw: records[index])
    }

    /// Takes the bytes of a `received` completion out of the batch; nil for another event, or when taken before.
    public mutating func takeBytes(at index: Int) -> ReceivedBytes? {
        precondition(index >= 0 && index < count, "completion index out of bounds")
        guard let worker = unsafe worker, unsafe CompletionBatch.holdsLease(records[index]) else { return nil }
        let bytes = unsafe ReceivedBytes(records[index], worker: worker)
        unsafe records[index].bytes = nil
        return bytes
    }

    /// Takes the object of a `postedObject` completion out of the batch; nil for another event, or when taken before. Cast it
    /// to what was posted.
    public mutating func takeObject(at index: Int) -> (any AnyObject & Sendable)? {
        precondition(index >= 0 && index < count, "completion index out of bounds")
        guard unsafe PostedObject.isOne(records[index]) else { return nil }
        let object = unsafe PostedObject.take(from: records[index])
        unsafe records[index].bytes = nil
        return object
    }

    @usableFromInline
    mutating func clear() {
        for index in 0..<count { unsafe CompletionBatch.giveBack(&records[index], of: worker) }
        count = 0
    }

    @usableFromInline
    mutating func fill(count: Int, worker: OpaquePointer) {
        self.count = count
        unsafe self.worker = worker
    }

    private static func holdsLease(_ record: iocp_completion) -> Bool {
        unsafe record.kind == IOCP_COMPLETION_RECEIVED && record.bytes != nil
    }

    private static func giveBack(_ record: inout iocp_completion, of worker: OpaquePointer?) {
        if unsafe holdsLease(record) {
            unsafe iocp_lease_return(worker, record.detail)
        } else if unsafe PostedObject.isOne(record) {
            _ = unsafe PostedObject.take(from: record)
        }
        unsafe record.bytes = nil
    }
}

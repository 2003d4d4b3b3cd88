/// What arrived on a connection and was not awaited yet, and how the stream goes on.
@safe
struct AsyncInput {
    /// Comes before `queue`; a body that keeps up needs no more.
    private var front: LentBytes?
    private var queue = Queue<LentBytes>()
    var end = End.open
    /// The application does not take what arrives: receiving pauses.
    var isPaused = false
    /// The body waits in its own task and without a limit: the common case, which needs no ``Await``.
    private var reader: UnsafeContinuation<Void, Never>?

    enum End {
        case open
        /// The peer has finished, or the port stops: nothing more is handed out behind what arrived.
        case finished
        case failed(IOCPError)
    }

    /// Receives that are kept before receiving pauses, and those with which it goes on.
    static let most = 16
    static let few = 4

    var count: Int { queue.count + (front == nil ? 0 : 1) }
    var isReading: Bool { unsafe reader != nil }

    @inline(__always)
    mutating func take() -> LentBytes? {
        if let lent = front {
            front = nil
            return lent
        }
        return queue.popFirst()
    }

    mutating func append(_ lent: LentBytes) {
        if front == nil && queue.isEmpty { front = lent } else { queue.append(lent) }
    }

    /// To be taken first.
    mutating func putBack(_ lent: LentBytes) {
        // More may have arrived since it was taken.
        if let front { queue.prepend(front) }
        front = lent
    }

    /// At once where something has come since the body looked.
    @inline(__always)
    mutating func read(with continuation: UnsafeContinuation<Void, Never>) {
        if case .open = end, front == nil, queue.isEmpty {
            unsafe reader = continuation
        } else {
            unsafe continuation.resume()
        }
    }

    /// Wakes the body. Returns whether it waited here.
    @inline(__always)
    mutating func wakeReader() -> Bool {
        guard let continuation = unsafe reader else { return false }
        unsafe reader = nil
        unsafe continuation.resume()
        return true
    }
}

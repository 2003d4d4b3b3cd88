import CIOCP

/// The subscribers of one topic on one worker. Adding, removing and finding one are O(1).
///
/// Those that have the messages at hand already stand first, so that nobody is left out or served twice when others
/// leave meanwhile.
struct TopicSubscribers {
    struct Subscriber {
        let token: iocp_token
        /// What publishers call it, who may except it.
        let name: iocp_token
        /// Of the first message that it is to get.
        var firstSequence: UInt64
        /// Its place among the topics of its connection.
        var membership: Int
        /// Messages that it did without.
        var missedCount = 0
        /// Messages wait for it, in `backlogs`.
        var isBehind = false
    }

    private var subscribers: ContiguousArray<Subscriber> = []
    private var indices: [Int: Int] = [:]
    private var backlogs: [iocp_token: MessageQueue] = [:]
    /// The number of those, from the first on, that have the messages at hand.
    private(set) var servedCount = 0

    var count: Int { subscribers.count }
    var isEmpty: Bool { subscribers.isEmpty }

    subscript(index: Int) -> Subscriber {
        get { subscribers[index] }
        set { subscribers[index] = newValue }
    }

    func index(of connection: Connection) -> Int? {
        guard let index = indices[connection.slot], subscribers[index].token == connection.token else { return nil }
        return index
    }

    mutating func add(_ connection: Connection, named name: Connection, from sequence: UInt64, membership: Int) {
        indices[connection.slot] = subscribers.count
        subscribers.append(
            Subscriber(
                token: connection.token, name: name.token, firstSequence: sequence, membership: membership))
    }

    mutating func remove(at index: Int) {
        if subscribers[index].isBehind { backlogs[subscribers[index].token] = nil }
        indices[Connection(token: subscribers[index].token).slot] = nil
        var hole = index
        if index < servedCount {
            servedCount -= 1
            fill(hole, from: servedCount)
            hole = servedCount
        }
        fill(hole, from: subscribers.count - 1)
        subscribers.removeLast()
    }

    private mutating func fill(_ hole: Int, from index: Int) {
        guard hole != index else { return }
        subscribers[hole] = subscribers[index]
        indices[Connection(token: subscribers[hole].token).slot] = hole
    }

    mutating func serveNext() { servedCount += 1 }
    mutating func beginRound() { servedCount = 0 }

    // MARK: Slow ones

    mutating func miss(_ count: Int, at index: Int) {
        subscribers[index].missedCount += count
    }

    /// Adds messages to what waits for a slow subscriber, and drops the oldest over the bound. Returns how many.
    mutating func append(_ messages: some Sequence<TopicMessage>, at index: Int, keeping most: Int) -> Int {
        var backlog = backlogs.removeValue(forKey: subscribers[index].token) ?? MessageQueue()
        for message in messages { backlog.append(message) }
        let dropped = max(0, backlog.count - most)
        backlog.removeFirst(dropped)
        backlogs[subscribers[index].token] = backlog
        subscribers[index].isBehind = true
        miss(dropped, at: index)
        return dropped
    }

    /// Sends what waits for a subscriber until it is refused. What no later attempt could send is dropped. Returns how many.
    mutating func sendBacklog(at index: Int, of topic: Topic, _ worker: OpaquePointer) -> Int {
        guard subscribers[index].isBehind, var backlog = backlogs.removeValue(forKey: subscribers[index].token) else {
            return 0
        }
        var dropped = 0
        while let message = backlog.first {
            let result = unsafe iocp_send_shared_within(
                worker, subscribers[index].token, message.bytes.raw, UInt32(topic.unsentLimit))
            if unsafe result == -SendRefusal.over || (result == -SendRefusal.noMemory && hasUnsent(index, worker)) {
                backlogs[subscribers[index].token] = backlog
                miss(dropped, at: index)
                return dropped  // its next `writable` goes on
            }
            if SendRefusal.isDrop(result) { dropped += 1 }
            backlog.removeFirst()
        }
        subscribers[index].isBehind = false
        miss(dropped, at: index)
        return dropped
    }

    /// Whether the connection will tell that it is writable again.
    func hasUnsent(_ index: Int, _ worker: OpaquePointer) -> Bool {
        unsafe iocp_connection_unsent_bytes(worker, subscribers[index].token) > 0
    }
}

/// What a refused delivery means.
enum SendRefusal {
    static var over: Int32 { 11 /* EAGAIN */ }
    static var noMemory: Int32 { 105 /* ENOBUFS */ }
    static var tooLarge: Int32 { 90 /* EMSGSIZE */ }

    /// Whether the subscriber did without the message. One that is gone, or takes no more, has no part in it.
    static func isDrop(_ result: Int32) -> Bool { result == -noMemory || result == -tooLarge || result == -over }
}

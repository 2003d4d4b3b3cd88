import CIOCP

/// A few messages of a topic on their way to all subscribers of one worker: each is visited once and gets all of them, so
/// that they leave in one send.
struct TopicRound {
    /// For one visit. More would make a healthy subscriber look slow before its first byte could leave.
    private static let countMax = 16
    private static let byteCountMax = 64 << 10
    /// For one slice: queued and not yet flushed.
    private static let sliceByteCountMax = 16 << 20

    private var messages: [TopicMessage] = []
    /// The same for the innermost loop, without references to count: `messages` keeps the bytes.
    private var payloads: [Payload] = []
    private var byteCount = 0
    private var firstSequence: UInt64 = 0
    /// A subscriber that was passed over for want of memory, and is tried once more.
    private var deferred: iocp_token = 0

    @safe
    private struct Payload {
        private let raw: OpaquePointer
        let exception: iocp_token

        init(_ message: TopicMessage) {
            unsafe raw = message.bytes.raw
            exception = message.exception
        }

        func send(to subscriber: iocp_token, within limit: UInt32, _ worker: OpaquePointer) -> Int32 {
            unsafe iocp_send_shared_within(worker, subscriber, raw, limit)
        }
    }

    var isEmpty: Bool { messages.isEmpty }
    var count: Int { messages.count }

    mutating func begin(takingFrom waiting: inout MessageQueue, _ sequence: UInt64) {
        messages = waiting.takeFirst(TopicRound.countMax, byteCountMax: TopicRound.byteCountMax)
        payloads = messages.map(Payload.init)
        byteCount = messages.reduce(0) { $0 + $1.bytes.count }
        firstSequence = sequence
        deferred = 0
    }

    private mutating func end() {
        messages = []
        payloads = []
    }

    struct Slice {
        var visited = 0
        var dropped = 0
        /// Everybody has the messages.
        var isEnd = false
    }

    mutating func deliver(
        to subscribers: inout TopicSubscribers, of topic: Topic, _ worker: OpaquePointer, most: Int
    ) -> Slice {
        var slice = Slice()
        var bytesLeft = TopicRound.sliceByteCountMax
        while subscribers.servedCount < subscribers.count {
            if slice.visited == most || bytesLeft <= 0 { return slice }
            guard let dropped = unsafe visit(&subscribers, of: topic, worker) else { return slice }
            slice.dropped += dropped
            slice.visited += 1
            bytesLeft -= byteCount
            subscribers.serveNext()
        }
        subscribers.beginRound()
        end()
        slice.isEnd = true
        return slice
    }

    /// Returns how many messages the next subscriber does without; nil to be tried once more after a flush.
    private mutating func visit(
        _ subscribers: inout TopicSubscribers, of topic: Topic, _ worker: OpaquePointer
    ) -> Int? {
        let index = subscribers.servedCount
        let subscriber = subscribers[index]
        var position = subscriber.firstSequence > firstSequence ? Int(subscriber.firstSequence - firstSequence) : 0
        if subscriber.isBehind { return keep(from: position, &subscribers, of: topic) }
        let limit = UInt32(topic.unsentLimit)
        var dropped = 0
        while position < payloads.count {
            let payload = payloads[position]
            if payload.exception != subscriber.name {
                let result = unsafe payload.send(to: subscriber.token, within: limit, worker)
                if result < 0 {
                    if result == -SendRefusal.noMemory, deferred != subscriber.token {
                        deferred = subscriber.token
                        subscribers[index].firstSequence = firstSequence + UInt64(position)
                        subscribers.miss(dropped, at: index)
                        topic.dropped(dropped)
                        return nil
                    }
                    guard SendRefusal.isDrop(result) else { break }  // it is gone
                    switch topic.slowPolicy {
                    case .close:
                        _ = unsafe iocp_overflow(worker, subscriber.token)
                        return dropped
                    case .dropOldest where result == -SendRefusal.over:
                        return dropped + keep(from: position, &subscribers, of: topic)
                    case .dropOldest, .dropMessage:
                        dropped += 1
                    }
                }
            }
            position += 1
        }
        if dropped > 0 { subscribers.miss(dropped, at: index) }
        return dropped
    }

    /// The messages from a position on wait until the subscriber is writable.
    private func keep(from position: Int, _ subscribers: inout TopicSubscribers, of topic: Topic) -> Int {
        guard case .dropOldest(let most) = topic.slowPolicy else { return 0 }
        let index = subscribers.servedCount
        let name = subscribers[index].name
        let kept = messages.dropFirst(position).filter { $0.exception != name }
        return subscribers.append(kept, at: index, keeping: most)
    }
}

import CIOCP

/// One message of a topic: bytes for all subscribers but one.
struct TopicMessage {
    let bytes: SharedBytes
    /// 0 for no exception.
    let exception: iocp_token
}

/// Messages in the order of their publishing. Every operation is O(1) for each message, amortised.
struct MessageQueue {
    private var messages = Queue<TopicMessage>()
    private(set) var byteCount = 0

    var count: Int { messages.count }
    var isEmpty: Bool { messages.isEmpty }
    var first: TopicMessage? { messages.first }

    mutating func append(_ message: TopicMessage) {
        messages.append(message)
        byteCount += message.bytes.count
    }

    mutating func popFirst() -> TopicMessage? {
        guard let message = messages.popFirst() else { return nil }
        byteCount -= message.bytes.count
        return message
    }

    mutating func removeFirst(_ count: Int = 1) {
        for _ in 0..<count { _ = popFirst() }
    }

    mutating func removeAll() {
        self = MessageQueue()
    }

    /// Takes out the first messages: at least one where there is any, and further ones within both bounds.
    mutating func takeFirst(_ countMax: Int, byteCountMax: Int) -> [TopicMessage] {
        var taken: [TopicMessage] = []
        var bytes = 0
        while let message = first, taken.count < countMax {
            bytes += message.bytes.count
            if !taken.isEmpty, bytes > byteCountMax { break }
            taken.append(message)
            removeFirst()
        }
        return taken
    }
}

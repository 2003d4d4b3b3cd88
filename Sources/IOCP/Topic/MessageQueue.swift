import CIOCP

/// One message of a topic: bytes for all subscribers but one.
struct TopicMessage {
    let bytes: SharedBytes
    /// 0 for no exception.
    let exception: iocp_token
}

/// Messages in the order of their publishing. Every operation is O(1) for each message, amortised.
struct MessageQueue {
    private var messages: [TopicMessage] = []
    private var head = 0
    private(set) var byteCount = 0

    var count: Int { messages.count - head }
    var isEmpty: Bool { head == messages.count }

    mutating func append(_ message: TopicMessage) {
        messages.append(message)
        byteCount += message.bytes.count
    }

    var first: TopicMessage? { isEmpty ? nil : messages[head] }

    mutating func removeFirst(_ count: Int = 1) {
        for index in head..<head + count { byteCount -= messages[index].bytes.count }
        head += count
        if head == messages.count {
            messages.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 64, head * 2 >= messages.count {
            messages.removeFirst(head)
            head = 0
        }
    }

    mutating func removeAll() {
        self = MessageQueue()
    }

    /// Takes out the first messages: at least one where there is any, and further ones within both bounds.
    mutating func takeFirst(_ countMax: Int, byteCountMax: Int) -> [TopicMessage] {
        var end = head
        var bytes = 0
        while end < messages.count, end - head < countMax {
            bytes += messages[end].bytes.count
            if end > head, bytes > byteCountMax { break }
            end += 1
        }
        let taken = Array(messages[head..<end])
        removeFirst(end - head)
        return taken
    }
}

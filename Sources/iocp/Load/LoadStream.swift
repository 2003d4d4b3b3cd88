#if Command
import IOCP

/// The messages of one connection to an echo server: which is sent next, and how much of which echo is due.
struct LoadStream {
    private var next: LoadPattern.Phase
    private var due: LoadPattern.Phase
    private var position: Int32 = 0
    private(set) var outstanding: Int32 = 0
    /// It echoed a wrong byte or refused a send, which was counted; that it is aborted then is no news.
    var isCondemned = false

    init(firstPhase: LoadPattern.Phase) {
        next = firstPhase
        due = firstPhase
    }

    /// Queues the next message.
    mutating func send<State>(_ pattern: LoadPattern, on connection: IocpContext<State>) throws(IOCPError) {
        try pattern.send(next, on: connection)
        next = pattern.phase(after: next)
        outstanding += 1
    }

    enum Received {
        /// As due, with the number of messages completed by it.
        case echoes(Int)
        /// The first thing that differs, in words.
        case wrong(String)
    }

    /// Compares bytes that came with those that are due.
    mutating func receive(_ bytes: RawSpan, _ pattern: LoadPattern) -> Received {
        var (offset, echoes) = (0, 0)
        while offset < bytes.byteCount {
            guard outstanding > 0 else {
                return .wrong("\(bytes.byteCount - offset) bytes more than were sent came back")
            }
            let end = min(bytes.byteCount, offset + pattern.messageBytes - Int(position))
            let part = bytes.extracting(offset..<end)
            if let difference = pattern.difference(part, due, at: Int(position)) {
                return .wrong("byte \(difference.position) of an echo \(difference.words)")
            }
            offset = end
            position += Int32(part.byteCount)
            if Int(position) == pattern.messageBytes {
                position = 0
                outstanding -= 1
                due = pattern.phase(after: due)
                echoes += 1
            }
        }
        return .echoes(echoes)
    }
}
#endif

import NIOCore

/// Those who are connected, and the frames that one turn of the event loop brought for them.
///
/// A turn is collected before it is delivered, so that each receiver gets it with one flush, whoever sent it. Its
/// bytes are those the channels received; all receivers share them.
/// Thread: the event loop's.
final class FanOutRoom {
    /// Whole frames of one sender, next to each other.
    struct Run {
        let bytes: ByteBuffer
        let sender: FanOutHandler
    }

    /// More than this is delivered before the turn ends.
    private static let turnBytesMax = 1 << 20

    let frameBytes: Int
    private let eventLoop: any EventLoop
    private var members: [FanOutHandler] = []
    private var turn: [Run] = []
    private var turnBytes = 0
    private var isEndDue = false

    init(frameBytes: Int, eventLoop: any EventLoop) {
        self.frameBytes = frameBytes
        self.eventLoop = eventLoop
    }

    func join(_ member: FanOutHandler) {
        member.place = members.count
        members.append(member)
    }

    func leave(_ member: FanOutHandler) {
        let last = members.removeLast()
        guard last !== member else { return }
        members[member.place] = last
        last.place = member.place
    }

    func publish(_ bytes: ByteBuffer, from sender: FanOutHandler) {
        turn.append(Run(bytes: bytes, sender: sender))
        turnBytes += bytes.readableBytes
        if turnBytes >= Self.turnBytesMax {
            deliver()
        } else if !isEndDue {
            isEndDue = true
            // Runs once all channels that are ready in this turn have been read.
            eventLoop.assumeIsolated().execute {
                self.isEndDue = false
                self.deliver()
            }
        }
    }

    private func deliver() {
        // A member whose connection fails leaves while it is delivered to, and the last one takes its place: from the
        // end, that is one who has it all already.
        for place in members.indices.reversed() where place < members.count {
            members[place].deliver(turn)
        }
        turn.removeAll(keepingCapacity: true)
        turnBytes = 0
    }
}

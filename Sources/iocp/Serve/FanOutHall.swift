#if Command
import IOCP
import Synchronization

/// What the workers of a fan-out have in common: the topic that brings each frame to all connections, and what was refused.
final class FanOutHall: Sendable {
    let frames: Topic
    private let refusedParts = Atomic(0)
    private let droppedFrames = Atomic(0)

    /// The bytes that a connection may have unsent.
    static func unsentMax(frameBytes: Int) -> Int { max(1 << 20, 16 * frameBytes) }

    init(frameBytes: Int) {
        frames = Topic(unsentLimit: FanOutHall.unsentMax(frameBytes: frameBytes), queueLimit: 1 << 17)
    }

    /// Sends a frame to all but its sender. While a worker is behind, it is dropped for all, and counted.
    func publish(_ frame: SharedBytes, from sender: Connection) {
        do throws(IOCPError) {
            try frames.publish(frame, except: sender)
        } catch {
            droppedFrames.add(1, ordering: .relaxed)
        }
    }

    /// A connection was ended for want of room for its part of a frame. Said once, and counted.
    func refusedPart() {
        guard refusedParts.add(1, ordering: .relaxed).newValue == 1 else { return }
        Console.complain(
            "warning: frames that are not sent to their end hold more than \(Figure.bytes(UInt64(FanOutParts.heldBytesMax))) "
                + "of a worker: the connections that wait longest with theirs are reset (said once)")
    }

    /// What was refused, a line each.
    var summary: [String] {
        let refused = refusedParts.load(ordering: .relaxed)
        let dropped = droppedFrames.load(ordering: .relaxed)
        var lines: [String] = []
        if dropped > 0 { lines.append("dropped \(Figure.counted(dropped, "frame")) while a worker was behind") }
        if refused > 0 {
            lines.append("reset \(Figure.counted(refused, "connection")) that did not send a frame to its end")
        }
        return lines
    }
}
#endif

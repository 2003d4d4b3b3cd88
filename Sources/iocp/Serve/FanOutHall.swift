#if Command
import Synchronization

/// What the workers of a fan-out have in common: how many bytes of frames are on their way to each of them, and what was
/// refused.
final class FanOutHall: Sendable {
    private let lent: [Lent]
    private let refusedParts = Atomic(0)

    private final class Lent: Sendable {
        let bytes = Atomic(0)
    }

    /// Frames in the mailbox of one worker. A frame is lent beyond it only where nothing else is.
    private static let lentBytesMax = 64 << 20

    init(workers: Int) {
        lent = (0..<workers).map { _ in Lent() }
    }

    /// Reserves room for a frame on its way to a worker; returns whether there is any. Without, the frame is dropped for
    /// all of that worker's connections: it is behind.
    func lend(_ bytes: Int, to worker: Int) -> Bool {
        let total = lent[worker].bytes.add(bytes, ordering: .relaxed).newValue
        if total <= FanOutHall.lentBytesMax || total == bytes { return true }
        giveBack(bytes, of: worker)
        return false
    }

    func giveBack(_ bytes: Int, of worker: Int) {
        lent[worker].bytes.subtract(bytes, ordering: .relaxed)
    }

    /// A connection was ended for want of room for its part of a frame. Said once, and counted.
    func refusedPart() {
        guard refusedParts.add(1, ordering: .relaxed).newValue == 1 else { return }
        Console.complain(
            "warning: frames that are not sent to their end hold more than \(Figure.bytes(UInt64(FanOutParts.heldBytesMax))) "
                + "of a worker: the connections that wait longest with theirs are reset (said once)")
    }

    /// How many connections were ended so, or nil for none.
    var summary: String? {
        let count = refusedParts.load(ordering: .relaxed)
        return count == 0 ? nil : "reset \(Figure.counted(count, "connection")) that did not send a frame to its end"
    }
}
#endif

#if Command
import IOCP
import Synchronization

/// What the workers of a broadcast have in common: who may publish, how a frame reaches every worker, and what was missed.
final class BroadcastHall: Sendable {
    private let publishers = Mutex<Listener.ID?>(nil)
    private let missedParts = Atomic(0)

    /// A frame on its way to one worker.
    final class Frame: Sendable {
        let bytes: SharedBytes
        init(_ bytes: SharedBytes) { self.bytes = bytes }
    }

    /// Listens for publishers. A client that comes before it is known that it is one waits for the lock.
    func open(_ listen: () throws -> Listener) throws -> Listener {
        try publishers.withLock { name in
            let listener = try listen()
            name = listener.id
            return listener
        }
    }

    func isPublisher(_ listener: Listener?) -> Bool {
        guard let listener else { return false }
        return publishers.withLock { $0 == listener.id }
    }

    /// Gives a frame to every worker. One whose mailbox is full does without it.
    func publish(_ bytes: SharedBytes, on port: CompletionPort) {
        let frame = Frame(bytes)
        for worker in 0..<port.workerCount {
            do throws(IOCPError) {
                try port.post(frame, toWorker: worker)
            } catch {
                missed(1)
            }
        }
    }

    func missed(_ count: Int) { missedParts.add(count, ordering: .relaxed) }

    /// What was missed, a line each.
    var summary: [String] {
        let missed = missedParts.load(ordering: .relaxed)
        return missed > 0
            ? ["\(Figure.counted(missed, "frame was", plural: "frames were")) not sent to slow readers"] : []
    }
}
#endif

#if Command
import Synchronization

/// What the workers of a fan-out know in common: when each outstanding frame left, and how many subscribers lack it.
@safe
final class LoadFanOutBoard: @unchecked Sendable {
    // @unchecked: every entry is atomic. An entry is published before its frame is sent, and reused only after its last
    // subscriber has it, so all that is read of it belongs to one frame.
    private let entries: UnsafeMutablePointer<Entry>
    private let depth: Int
    /// The latest frame that was published.
    private let latest = Atomic<LoadFrames.Sequence>(0)

    private struct Entry: ~Copyable {
        let sentAt = Atomic<UInt64>(0)
        let lacking = Atomic(0)
    }

    init(depth: Int) {
        self.depth = depth
        unsafe entries = .allocate(capacity: depth)
        for index in 0..<depth { unsafe (entries + index).initialize(to: Entry()) }
    }

    deinit {
        unsafe entries.deinitialize(count: depth)
        unsafe entries.deallocate()
    }

    private func index(_ sequence: LoadFrames.Sequence) -> Int { Int(sequence % UInt64(depth)) }

    func publish(_ sequence: LoadFrames.Sequence, at time: UInt64, to subscribers: Int) {
        unsafe entries[index(sequence)].sentAt.store(time, ordering: .relaxed)
        unsafe entries[index(sequence)].lacking.store(subscribers, ordering: .releasing)
        latest.store(sequence, ordering: .releasing)
    }

    /// A server may make frames up.
    func isPublished(_ sequence: LoadFrames.Sequence) -> Bool { sequence <= latest.load(ordering: .acquiring) }

    func sentAt(_ sequence: LoadFrames.Sequence) -> UInt64 {
        unsafe entries[index(sequence)].sentAt.load(ordering: .relaxed)
    }

    /// One more subscriber has it; returns whether that was the last one.
    func delivered(_ sequence: LoadFrames.Sequence) -> Bool {
        unsafe entries[index(sequence)].lacking.subtract(1, ordering: .acquiringAndReleasing).newValue == 0
    }

    func lacking(_ sequence: LoadFrames.Sequence) -> Int {
        unsafe entries[index(sequence)].lacking.load(ordering: .relaxed)
    }
}
#endif

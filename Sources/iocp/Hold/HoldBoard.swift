#if Command
import Dispatch
import IOCP
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What the workers of a hold tell the main thread.
final class HoldBoard: Sendable {
    /// Connections that opened, reconnects among them and the publisher not.
    let opened = Atomic(0)
    let reconnected = Atomic(0)
    /// Ends as the load meant them: with RST to come back, and with FIN at the end.
    let dropped = Atomic(0)
    let finished = Atomic(0)
    /// Ends that it did not mean, and connects that failed.
    let lost = Atomic(0)
    let refused = Atomic(0)
    /// Connections that have the whole frame.
    let delivered = Atomic(0)
    let publisherOpened = Atomic(0)
    let publisherClosed = Atomic(0)
    /// Workers that wait for the frame.
    let expecting = Atomic(0)
    /// When one of these last changed.
    private let changedAt = Atomic<UInt64>(0)
    /// Of a connect beyond those that were planned: a source was taken.
    private let spare = Atomic(0)

    private let signal = Atomic<Int32>(0)
    private let shared = Mutex(Shared())
    private let changed = DispatchSemaphore(value: 0)

    private struct Shared {
        var faults = LoadFaults()
        var beats: [LoadResult] = []
    }

    // MARK: From the workers

    func count(_ counter: borrowing Atomic<Int>, wakingAt threshold: Int) {
        let value = counter.add(1, ordering: .relaxed).newValue
        guard value == threshold else { return }
        changedAt.store(MonotonicClock.nanoseconds(), ordering: .relaxed)
        changed.signal()
    }

    func connectFailed(_ error: IOCPError, _ target: Endpoint, of number: Int) {
        refused.add(1, ordering: .relaxed)
        note { $0.addError("cannot connect to \(target): \(error)", of: number) }
    }

    func ended(_ reason: CloseReason, _ target: Endpoint, of number: Int) {
        lost.add(1, ordering: .relaxed)
        note { $0.addError("\(target) ended a connection: \(reason.explanation)", of: number) }
    }

    func failed(_ error: IOCPError, of number: Int) {
        note { $0.addError("the load's own workers: \(error)", of: number) }
    }

    func mismatched(_ what: String, of number: Int) {
        note { $0.addMismatch("connection \(number): \(what)", of: number) }
    }

    func deliver(_ beat: LoadResult) {
        shared.withLock { $0.beats.append(beat) }
        changed.signal()
    }

    /// A number for a connect whose source was in use.
    func takeSpare() -> Int { spare.add(1, ordering: .relaxed).oldValue }

    private func note(_ add: (inout LoadFaults) -> Void) {
        shared.withLock { add(&$0.faults) }
        changed.signal()
    }

    // MARK: From the thread that waits for signals

    func interrupt(by signal: Int32) {
        self.signal.store(signal, ordering: .relaxed)
        changed.signal()
    }

    // MARK: For the main thread

    var interruption: Int32? {
        let signal = signal.load(ordering: .relaxed)
        return signal == 0 ? nil : signal
    }

    var faults: LoadFaults { shared.withLock { $0.faults } }
    var beatCount: Int { shared.withLock { $0.beats.count } }
    var lastChange: UInt64 { changedAt.load(ordering: .relaxed) }

    func takeBeat() -> LoadResult {
        shared.withLock { shared in
            var sum = LoadResult()
            for beat in shared.beats { sum += beat }
            shared.beats = []
            return sum
        }
    }

    /// Waits until the condition holds, or the time is over, or somebody interrupts; returns whether it holds.
    func wait(until deadline: ContinuousClock.Instant, for condition: () -> Bool) -> Bool {
        while !condition() {
            guard interruption == nil, .now < deadline else { return false }
            _ = changed.wait(timeout: .now() + .milliseconds(20))
        }
        return true
    }
}

/// What the main thread posts to the workers. Distinct from `LoadOrder.tick`, which the pacer posts.
enum HoldOrder: UInt64 {
    case beat = 100
    /// Beats no more, and delivers once everything is answered.
    case rest
    /// Drops its share, and brings it back.
    case drop
    /// Of a worker to itself: goes on with that.
    case dropMore
    /// The frame comes.
    case expect
    /// Of the first worker: sends the frame.
    case publish
    /// Closes everything, a window at a time.
    case finish
}
#endif

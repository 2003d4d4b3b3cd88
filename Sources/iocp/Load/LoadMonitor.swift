#if Command
import Dispatch
import Glibc
import IOCP
import Synchronization

/// What the workers of a load tell the main thread, and what wakes it.
final class LoadMonitor: Sendable {
    private let plan: LoadPlan
    private let connectedCount = Atomic(0)
    private let establishedCount = Atomic(0)
    private let activeLostCount = Atomic(0)
    private let begunCount = Atomic(0)
    private let askedCount = Atomic(0)
    private let goneCount = Atomic(0)
    private let abandoned = Atomic(false)
    private let ending = Atomic(false)
    private let signal = Atomic<Int32>(0)
    private let reports = Mutex(Reports())
    private let changed = DispatchSemaphore(value: 0)

    private struct Reports {
        var faults = LoadFaults()
        var results: [LoadResult] = []
    }

    init(_ plan: LoadPlan) {
        self.plan = plan
    }

    // MARK: From the workers

    /// A worker has asked for its first connections.
    func begun() {
        begunCount.add(1, ordering: .relaxed)
        changed.signal()
    }

    /// A connect was asked for that will open or fail.
    func asked() {
        askedCount.add(1, ordering: .relaxed)
    }

    func connected() {
        connectedCount.add(1, ordering: .relaxed)
    }

    /// A connection was used for the first time.
    func established() {
        if establishedCount.add(1, ordering: .relaxed).newValue == plan.connections { changed.signal() }
    }

    /// - Parameter number: of the connection among all.
    func connectFailed(_ error: IOCPError, of number: Int) {
        note { $0.addError("cannot connect to \(plan.target): \(error)", of: number) }
    }

    /// A connection that was asked for failed to open, or has closed, and none takes its place.
    func gone() {
        goneCount.add(1, ordering: .relaxed)
        changed.signal()
    }

    /// Returns whether that is why the connection ends. One that has ended already says so itself, with its reason, in
    /// the `closed` that follows.
    @discardableResult
    func sendFailed(_ error: IOCPError, of number: Int) -> Bool {
        guard error.code != ENOTCONN else { return false }
        note { $0.addError("cannot send to \(plan.target): \(error)", of: number) }
        return true
    }

    func closed(_ reason: CloseReason, of number: Int) {
        note { $0.addError("\(plan.target) ended a connection: \(reason.explanation)", of: number) }
    }

    func mismatched(_ what: String, of number: Int) {
        note { $0.addMismatch(what, of: number) }
    }

    /// An active connection closed; without any there is nothing left to measure.
    func activeLost() {
        if activeLostCount.add(1, ordering: .relaxed).newValue == plan.active { changed.signal() }
    }

    /// What was lost makes going on pointless.
    func abandon() {
        abandoned.store(true, ordering: .relaxed)
        changed.signal()
    }

    /// The workers cannot tell each other something.
    func postFailed(_ error: IOCPError) {
        note { $0.addError("the load's own workers: \(error)", of: .max) }
    }

    func deliver(_ result: LoadResult) {
        reports.withLock { $0.results.append(result) }
        changed.signal()
    }

    /// Whether what closes now is closed by this side.
    var isEnding: Bool { ending.load(ordering: .relaxed) }

    private func note(_ add: (inout LoadFaults) -> Void) {
        guard !isEnding else { return }
        reports.withLock { add(&$0.faults) }
        changed.signal()
    }

    // MARK: From the threads that wait for signals and for orders

    /// Something came that the main thread waits for.
    func wake() { changed.signal() }

    func interrupt(by signal: Int32) {
        self.signal.store(signal, ordering: .relaxed)
        changed.signal()
    }

    // MARK: For the main thread

    /// The signal that asked the load to end, or nil.
    var interruption: Int32? {
        let signal = signal.load(ordering: .relaxed)
        return signal == 0 ? nil : signal
    }

    /// Waits until the same failure has reached every connection that it will reach: the count that is told must not
    /// depend on how fast the first one of them was noticed.
    /// - Parameter total: connections there are; nil for those that were asked for and never used.
    func settle(_ total: Int?, within limit: Duration) {
        _ = wait(until: .now + limit) {
            let gone = goneCount.load(ordering: .relaxed)
            guard let total else {
                return begunCount.load(ordering: .relaxed) == plan.workers
                    && gone + establishedCount.load(ordering: .relaxed) >= askedCount.load(ordering: .relaxed)
            }
            return gone >= total
        }
    }

    func end() {
        ending.store(true, ordering: .relaxed)
    }

    var connectedSoFar: Int { connectedCount.load(ordering: .relaxed) }
    var establishedSoFar: Int { establishedCount.load(ordering: .relaxed) }
    /// Whether there is nothing left to measure.
    var isPointless: Bool {
        abandoned.load(ordering: .relaxed)
            || (plan.active > 0 && activeLostCount.load(ordering: .relaxed) == plan.active)
    }
    var faults: LoadFaults { reports.withLock { $0.faults } }
    var results: [LoadResult] { reports.withLock { $0.results } }

    /// The results so far, which are no longer here then.
    func takeResults() -> [LoadResult] {
        reports.withLock { reports in
            defer { reports.results = [] }
            return reports.results
        }
    }

    /// Waits until the condition holds or the time is over; returns whether it holds. A change wakes it.
    func wait(until deadline: ContinuousClock.Instant, for condition: () -> Bool) -> Bool {
        while !condition() {
            let left = deadline - .now
            guard left > .zero else { return false }
            let (seconds, attoseconds) = left.components
            let nanoseconds = Int(seconds) * 1_000_000_000 + Int(attoseconds / 1_000_000_000)
            _ = changed.wait(timeout: .now() + .nanoseconds(nanoseconds))
        }
        return true
    }
}
#endif

#if NIO
import NIOCore
import Synchronization

/// What a loop is to do beside its channels.
enum LoopTask: @unchecked Sendable {
    // @unchecked: those from elsewhere are `@Sendable` closures, and the loop's own stay on its thread.
    case function(() -> Void)
    case job(UnownedJob)
    /// A timer to be started.
    case timer(LoopTimer)
    /// A timer that was cancelled elsewhere, to be forgotten.
    case forget(LoopTimer)
}

/// The tasks of one loop: what its own thread adds costs no lock, and what others add wakes it once.
///
/// All of them run in the order in which they were added, as in NIO's own loops, also across threads where one thread learned
/// from another that it had added something.
final class LoopTasks: @unchecked Sendable {
    // @unchecked: `local` and `timers` are the loop's thread's; the rest is locked or atomic.
    private var local = CircularBuffer<LoopTask>()
    private(set) var timers = LoopTimers()
    private let inbox = Mutex(Inbox())
    /// The inbox is not empty. Set within the lock, so that the loop looks without taking it.
    private let hasMail = Atomic(false)

    private struct Inbox {
        var tasks: [LoopTask] = []
        var isClosed = false
    }

    enum Added {
        case waiting
        /// The loop sleeps, perhaps, and is to be woken.
        case first
        case refused
    }

    // MARK: - Any thread

    func add(fromElsewhere task: LoopTask) -> Added {
        inbox.withLock { inbox in
            guard !inbox.isClosed else { return .refused }
            inbox.tasks.append(task)
            guard inbox.tasks.count == 1 else { return .waiting }
            hasMail.store(true, ordering: .releasing)
            return .first
        }
    }

    // MARK: - The loop's thread

    func add(_ task: LoopTask) {
        // What came before, from wherever, stays before.
        takeInbox()
        enter(task)
    }

    private func enter(_ task: LoopTask) {
        switch task {
        case .timer(let timer):
            if timer.isCancelled.load(ordering: .relaxed) { timer.drop() } else { timers.add(timer) }
        case .forget(let timer): forget(timer)
        case .function, .job: local.append(task)
        }
    }

    func forget(_ timer: LoopTimer) {
        timers.remove(timer)
        timer.drop()
    }

    private func takeInbox() {
        guard hasMail.load(ordering: .acquiring) else { return }
        let tasks = inbox.withLock { inbox in
            hasMail.store(false, ordering: .relaxed)
            defer { inbox.tasks = [] }
            return inbox.tasks
        }
        for task in tasks { enter(task) }
    }

    /// How long a wait may last: nil without limit.
    func pause(at now: () -> NIODeadline) -> Duration? {
        if !local.isEmpty || hasMail.load(ordering: .relaxed) { return .zero }
        guard let first = timers.first else { return nil }
        let left = first - now()
        return left <= .nanoseconds(0) ? .zero : .nanoseconds(left.nanoseconds)
    }

    /// Begins a turn: puts the timers that are due behind what waits, and says how many tasks the turn has at most. What is
    /// added meanwhile waits for the next, so that neither tasks nor channels starve the other.
    func beginTurn(at now: () -> NIODeadline, atMost limit: Int) -> Int {
        takeInbox()
        if timers.first != nil {
            let now = now()
            while let timer = timers.take(dueAt: now) { local.append(.function(timer.run)) }
        }
        return min(local.count, limit)
    }

    var hasWork: Bool {
        takeInbox()
        return !local.isEmpty || timers.first != nil
    }

    func next() -> LoopTask? { local.popFirst() }

    /// Refuses tasks from elsewhere from now on. What waits is left to ``next()``.
    func close() {
        let left = inbox.withLock { inbox in
            inbox.isClosed = true
            defer { inbox.tasks = [] }
            return inbox.tasks
        }
        for task in left { enter(task) }
    }

    func takeTimers() -> [LoopTimer] { timers.takeAll() }
}
#endif

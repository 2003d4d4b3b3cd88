import CIOCP
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A worker's thread as an executor: what is enqueued runs there, between two batches of completions.
///
/// Give it to `Task(executorPreference:)` to run code beside the worker's connections, or use ``WorkerActor``, whose code
/// the compiler keeps on the thread. At most 256 jobs run in a turn; while more are left, the worker polls for completions
/// instead of sleeping. So neither jobs nor connections starve the other.
///
/// A job that the worker's own thread enqueues costs no lock. One from elsewhere takes a lock for a moment and wakes the
/// worker if it sleeps. An executor cannot refuse, so what waits has no bound: ``WorkerStats/waitingJobs`` counts it.
///
/// Jobs that come after the worker has ended run all the same, one at a time, on a thread of the global pool: a task
/// always ends. They find their connections closed.
///
/// Thread: any.
@safe
public final class WorkerExecutor: TaskExecutor, SerialExecutor, @unchecked Sendable {
    // @unchecked: `local`, `isRunning` and `turn` are the worker's thread's; the rest is immutable or locked.
    private let raw: OpaquePointer
    /// Keeps what `raw` points to.
    private let port: CompletionPort
    private let workerIndex: UInt32
    /// Used on the worker's thread, each time in one step, so that no two accesses overlap.
    @exclusivity(unchecked) private var local = Local()
    private let inbox = Mutex(Inbox())
    /// The inbox is not empty. Set behind the lock, so that the worker looks without taking it.
    private let hasMail = Atomic(false)

    /// What the worker's own thread enqueued.
    private struct Local: ~Copyable {
        var jobs = Queue<UnownedJob>()
        var isRunning = true
    }

    /// What came from other threads.
    private struct Inbox: ~Copyable {
        var jobs = Queue<UnownedJob>()
        var isOver = false
        var isDraining = false
    }

    /// Jobs that run before completions are looked at again. Set on the worker's thread, by a test that wants few.
    package var turn: UInt32 = 256

    init(_ worker: OpaquePointer, _ port: CompletionPort) {
        unsafe raw = worker
        self.port = port
        workerIndex = unsafe iocp_worker_index(worker)
    }

    /// Whether the calling thread is the worker's, and the worker is open.
    var isOnThread: Bool { unsafe iocp_worker_refusal(raw) == 0 }

    /// The worker's clock, in ns.
    var now: UInt64 { unsafe iocp_worker_time_ns(raw) }

    public func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        if unsafe isOnThread && local.isRunning {
            unsafe local.jobs.append(job)
        } else {
            put(job)
        }
    }

    private func put(_ job: UnownedJob) {
        enum Step { case none, interrupt, drain }
        let step = inbox.withLock { inbox -> Step in
            inbox.jobs.append(job)
            if inbox.isOver {
                defer { inbox.isDraining = true }
                return inbox.isDraining ? .none : .drain
            }
            if inbox.jobs.count > 1 { return .none }
            hasMail.store(true, ordering: .releasing)
            return .interrupt
        }
        switch step {
        case .none: break
        case .interrupt: unsafe iocp_port_interrupt(port.raw, workerIndex)
        case .drain: drain()
        }
    }

    public func asUnownedSerialExecutor() -> UnownedSerialExecutor { unsafe UnownedSerialExecutor(ordinary: self) }

    public func checkIsolated() {
        precondition(isOnThread, "code of a worker's actor was reached on another thread than the worker's")
    }

    public func isIsolatingCurrentContext() -> Bool? { isOnThread ? true : nil }

    // MARK: - On the worker's thread

    /// Whether a turn has something to do: then the next wait polls.
    @usableFromInline
    var hasJobs: Bool { unsafe !local.jobs.isEmpty || hasMail.load(ordering: .relaxed) }

    /// Runs what waits, a turn at most.
    @usableFromInline
    func runTurn() {
        takeInbox()
        var ran: UInt32 = 0
        while ran < turn, let job = unsafe local.jobs.popFirst() {
            run(job)
            ran += 1
        }
        unsafe iocp_worker_count_jobs(raw, ran, UInt32(clamping: local.jobs.count))
    }

    private func takeInbox() {
        guard hasMail.load(ordering: .acquiring) else { return }
        inbox.withLock { inbox in
            unsafe local.jobs.take(all: &inbox.jobs)
            hasMail.store(false, ordering: .relaxed)
        }
    }

    private func run(_ job: UnownedJob) {
        unsafe job.runSynchronously(isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
    }

    /// The worker runs no more jobs. What is left, and what comes, runs elsewhere once the worker is closed.
    func end() {
        guard unsafe local.isRunning else { return }
        unsafe local.isRunning = false
        let drains = inbox.withLock { inbox in
            while let job = unsafe local.jobs.popFirst() { inbox.jobs.append(job) }
            inbox.isOver = true
            inbox.isDraining = !inbox.jobs.isEmpty
            return inbox.isDraining
        }
        if drains { drain() }
    }

    // MARK: - After the worker

    /// Leases may be dropped on another thread once the worker is closed, and not before.
    private func drain() {
        Task.detached { [self] in
            while unsafe iocp_worker_refusal(raw) != -ESHUTDOWN { try? await Task.sleep(for: .milliseconds(1)) }
            runRest()
        }
    }

    private func runRest() {
        while let job = next() { run(job) }
    }

    private func next() -> UnownedJob? {
        inbox.withLock { inbox in
            let job = inbox.jobs.popFirst()
            if job == nil { inbox.isDraining = false }
            return job
        }
    }
}

import CIOCP

/// The actor of a worker: code that is isolated to it runs on the worker's thread, which the compiler checks.
///
/// A body of a connection is given it (``ConnectionBody``). To do two things at a time in a body there is
/// ``concurrently(_:and:)``. A task that is made in a body and names the actor is isolated to it, too, so that it may use the
/// body's connection; nobody waits for it, and nothing cancels it:
///
/// ```swift
/// let ticker = Task {
///     _ = worker
///     while true {
///         try await Task.sleep(for: .seconds(1))
///         try await connection.send("tick\n")
///     }
/// }
/// defer { ticker.cancel() }
/// ```
///
/// To run code on a worker from elsewhere, keep its actor and call ``run(_:)``.
///
/// Thread: any; what is isolated to it, the worker's.
public actor WorkerActor {
    /// The worker's thread as an executor: what runs the actor's code, and tasks that prefer it.
    public nonisolated let executor: WorkerExecutor
    nonisolated let place: Place

    /// What is reached on the worker's thread alone.
    struct Place: @unchecked Sendable {
        let home: WorkerHome
    }

    init(_ executor: WorkerExecutor, _ place: Place) {
        self.executor = executor
        self.place = place
    }

    public nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    /// The worker, for its timers, posts and statistics. Asking for it traps once the worker has been released.
    public var worker: Worker {
        guard let worker = place.home.worker else { ContextMisuse.workerAfterItsRelease() }
        return worker
    }

    /// When the latest wait ended, on the monotonic clock: see ``Worker/now``.
    public var now: Duration { worker.now }

    /// Runs a closure on the worker's thread, between two batches.
    public func run<Value: Sendable, Failure: Error>(
        _ body: @Sendable (isolated WorkerActor) async throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        try await body(self)
    }
}

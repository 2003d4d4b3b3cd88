import CIOCP

/// A completion port: a fixed set of workers, each one thread with one driver queue on one core.
///
/// Windows: `CreateIoCompletionPort` with its concurrency value; here the workers are the concurrency.
/// A port is used in one of two ways. ``IOCPServer`` and ``IOCPClient`` run its workers on threads of its own and call
/// a handler; or your own threads ``attachWorker()`` and dequeue batches themselves.
///
/// Thread: every method may be called from any thread.
///
/// Not for a child of `fork(2)`: it must use nothing of its parent's port, and call `exec` or `_exit`. Until then it holds
/// the listening sockets; every descriptor of a port is closed by `exec`.
@safe
public final class CompletionPort: @unchecked Sendable {
    // @unchecked: the core guards its own state; each of its "any thread" functions says so in its header.
    @usableFromInline let raw: OpaquePointer
    @usableFromInline let lookups = HostLookups()
    /// As it was given: what was left to be chosen is 0 here.
    package let configuration: PortConfiguration
    @usableFromInline var completionsPerWait: UInt32 { UInt32(configuration.completionsPerWait) }
    let knownListeners = KnownListeners()
    let knownActors = KnownActors()
    let movingHandlers = MovingHandlers()

    /// Checks the configuration, probes the driver and maps the stats page; starts no thread.
    /// - Throws: ``IOCPError`` naming the field that is out of bounds, or why the driver is refused here.
    public convenience init(_ configuration: PortConfiguration = PortConfiguration()) throws(IOCPError) {
        try self.init(configuration, simulated: false)
    }

    /// A port on the simulated kernel that the calling thread uses; for tests.
    package convenience init(simulated configuration: PortConfiguration) throws(IOCPError) {
        try self.init(configuration, simulated: true)
    }

    private init(_ configuration: PortConfiguration, simulated: Bool) throws(IOCPError) {
        self.configuration = configuration
        var created: OpaquePointer?
        unsafe try configuration.withRaw { (config) throws(IOCPError) in
            if simulated { unsafe config.driver = IOCP_DRIVER_SIM }
            var failure = unsafe iocp_failure()
            guard unsafe iocp_port_create(&config, &created, &failure) >= 0 else {
                throw unsafe IOCPError(failure, .configuration)
            }
        }
        unsafe raw = created!  // a port that was created is there
    }

    /// The core's port goes with the last of what needs it: worker threads that have not ended, bytes that are lent.
    deinit {
        unsafe iocp_port_destroy(raw)
    }

    /// How many workers the port has, 1 to 1,024. They are counted from 0.
    public var workerCount: Int { unsafe Int(iocp_port_worker_count(raw)) }

    /// The driver in force: never `auto`.
    public var driver: Driver {
        unsafe Driver(rawValue: iocp_port_configuration(raw).pointee.driver.rawValue) ?? .auto
    }

    /// How many connections each worker can hold.
    public var connectionsPerWorker: Int {
        unsafe Int(iocp_port_configuration(raw).pointee.connections_per_worker)
    }

    /// Why `auto` fell back to epoll, or nil if it did not.
    public var fallbackCause: IOCPError? {
        let cause = unsafe iocp_port_fallback_cause(raw)
        return unsafe cause.code < 0 ? IOCPError(cause, .ring) : nil
    }

    /// Opens the next unopened worker on the calling thread, which then owns it until the worker is gone. It joins every
    /// address that the port listens on, and from then on has its share of the clients.
    ///
    /// The thread must not exit before the worker does: the kernel cancels what an exiting thread submitted.
    /// Attach before you give up privileges: its sockets are bound now, by this user.
    /// Windows: a thread joins a port with its first `GetQueuedCompletionStatus`.
    /// - Throws: EBUSY when every worker is taken, ESHUTDOWN once the port has stopped, or what could not be opened or
    ///   bound; then nothing of the worker is left, and it may be attached again.
    public func attachWorker() throws(IOCPError) -> Worker {
        var failure = unsafe iocp_failure()
        var worker: OpaquePointer?
        guard unsafe iocp_port_attach(raw, &worker, &failure) >= 0, let worker = unsafe worker else {
            throw unsafe IOCPError(failure, .attach)
        }
        return unsafe Worker(raw: worker, port: self, isAttached: true)
    }

    /// Posts a value to a worker: delivered exactly once as a `posted` completion, or refused here.
    ///
    /// Windows: `PostQueuedCompletionStatus`. O(1), lock-free; wakes the worker only if it sleeps.
    /// - Throws: EAGAIN when the worker's mailbox is full, ENXIO while the worker is not open yet, ESHUTDOWN once the port
    ///   has stopped or the worker has left, EINVAL for a worker that the port does not have.
    @inlinable
    public func post(_ value: UInt64, toWorker worker: Int) throws(IOCPError) {
        let index = try workerIndex(worker, .post)
        try check(unsafe iocp_port_post(raw, index, 0, value), .post)
    }

    /// Posts a value to the worker of a connection. The connection may be gone when the post arrives.
    @inlinable
    public func post(_ value: UInt64, to connection: Connection) throws(IOCPError) {
        try check(unsafe iocp_port_post(raw, iocp_token_worker(connection.token), connection.token, value), .post)
    }

    /// Wakes a worker: its wait, or its next one if it does not wait now, ends without a completion where none came.
    ///
    /// For a loop of your own that has other things to do than completions. Several calls may end one wait. O(1), lock-free.
    /// - Parameter worker: as of ``stats(ofWorker:)``. One that is not open, or has ended, is not waiting.
    public func interrupt(worker: Int) {
        precondition(worker >= 0 && worker < workerCount, noSuchWorker(worker))
        unsafe iocp_port_interrupt(raw, UInt32(worker))
    }

    /// Begins to stop, and returns at once: each worker accepts no more, delivers what was posted before, says
    /// `stopping`, closes its connections gracefully and aborts what is left `drain` from now. Its wait ends once its
    /// connections and posts are delivered. Posts are accepted until the last connection is closed.
    ///
    /// A worker whose handler stalls does all this when it returns, and aborts at once if the drain is over by then.
    /// Calling again only shortens the drain.
    /// - Parameter drain: of any length; a negative one is over already.
    public func stop(drainingFor drain: Duration = .zero) {
        unsafe iocp_port_stop(raw, drain.wholeNanoseconds)
    }

    /// Whether ``stop(drainingFor:)`` was called.
    var isStopping: Bool { unsafe iocp_port_is_stopping(raw) }

    /// The counters of a worker as of now.
    /// - Parameter worker: from 0 to ``workerCount`` - 1. Any other traps and names both, as an array's index does.
    public func stats(ofWorker worker: Int) -> WorkerStats {
        precondition(worker >= 0 && worker < workerCount, noSuchWorker(worker))
        let histograms = StatsHistogram.all.enumerated().map { index, histogram in
            unsafe histogram.with(iocp_port_histogram(raw, UInt32(worker), UInt32(index)))
        }
        return unsafe WorkerStats(iocp_port_stats(raw, UInt32(worker)), histograms: histograms)
    }

    /// A worker's index as the core takes it.
    @usableFromInline
    func workerIndex(_ worker: Int, _ operation: IOCPError.Operation) throws(IOCPError) -> UInt32 {
        guard let index = UInt32(exactly: worker), worker < workerCount else {
            throw IOCPError(code: 22 /* EINVAL */, operation: operation, detail: noSuchWorker(worker))
        }
        return index
    }

    private func noSuchWorker(_ worker: Int) -> String {
        "there is no worker \(worker): the port has \(workerCount), counted from 0"
    }
}

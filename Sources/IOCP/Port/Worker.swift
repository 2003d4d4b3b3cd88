import CIOCP

#if canImport(Glibc)
public import Glibc
#elseif canImport(Musl)
public import Musl
#endif

/// One worker of a port, seen by the thread that owns it.
///
/// A worker and everything it hands out belong to the thread that opened it (guarantee G8), and none is `Sendable`. The
/// compiler still lets one that ``CompletionPort/attachWorker()`` returned move to another thread as a whole, into a
/// detached task for instance. There every call throws EPERM, and one that cannot throw traps.
///
/// A worker may be kept longer than it runs: its calls then throw ESHUTDOWN or ENOTCONN.
@safe
public final class Worker {
    @usableFromInline let raw: OpaquePointer
    /// The port that this worker belongs to.
    public let port: CompletionPort
    @usableFromInline let isAttached: Bool
    @usableFromInline var use = Use.free

    /// How the completions are taken: one way at a time, since a handler knows only connections whose `opened` it saw.
    @usableFromInline
    enum Use { case free, batches, handler }
    @usableFromInline let connects = WorkerConnects()
    @usableFromInline let topics: WorkerTopics
    @usableFromInline let bodies: WorkerBodies
    @usableFromInline let offloads: WorkerOffloads
    let home: WorkerHome
    /// Code that is isolated to it runs on this worker's thread.
    public let actor: WorkerActor
    /// The closures whose timers have not ended, by the timers' names.
    @usableFromInline var closures: [iocp_timer: () throws -> Void] = [:]
    /// What handlers threw, by the connections that end because of it, until their `closed`.
    @usableFromInline var thrownErrors: [iocp_token: IOCPError] = [:]

    init(raw: OpaquePointer, port: CompletionPort, isAttached: Bool) {
        unsafe self.raw = raw
        self.port = port
        self.isAttached = isAttached
        actor = port.knownActors.open(unsafe Int(iocp_worker_index(raw)), of: port)
        home = actor.place.home
        bodies = unsafe WorkerBodies(raw, port, actor)
        offloads = unsafe WorkerOffloads(raw)
        topics = unsafe WorkerTopics(raw)
        home.worker = self
    }

    /// Ends an attached worker: connections still open are reset without completions, and the thread gets its name and
    /// CPUs back. For a graceful end, ``leave(drainingFor:)`` first. Traps on another thread than the worker's.
    deinit {
        offloads.end()  // which resumes tasks that wait
        executor.end()
        bodies.end()
        port.knownActors.end(index)
        if isAttached { unsafe iocp_worker_close(raw) }
        topics.leaveAll()
    }

    /// This worker's thread, for tasks: `Task(executorPreference: worker.executor)`.
    public var executor: WorkerExecutor { actor.executor }

    /// The worker's number in its port, from 0: what ``CompletionPort/post(_:toWorker:)-(UInt64,_)`` and
    /// ``CompletionPort/stats(ofWorker:)`` take.
    public var index: Int { unsafe Int(iocp_worker_index(raw)) }

    /// The CPU this worker's thread is bound to, or nil when workers are not pinned.
    public var cpu: Int? {
        let cpu = unsafe iocp_worker_cpu(raw)
        return cpu == .max ? nil : Int(cpu)
    }

    /// The NUMA node that holds this worker's memory.
    public var node: Int { unsafe Int(iocp_worker_node(raw)) }

    /// When the latest wait ended, on the monotonic clock: the time of the completions in hand, for free.
    public var now: Duration { unsafe .nanoseconds(Int64(clamping: iocp_worker_now_ns(raw))) }

    /// Flushes what was queued since the last wait, then waits for completions.
    ///
    /// Windows: `GetQueuedCompletionStatusEx`. Receive leases and posted objects left in the batch are given back first.
    /// - Parameter timeout: nil waits without limit; `.zero` polls, and so does a negative one.
    /// - Returns: how many completions are in the batch: 0 when the time ran out, a signal came, or jobs of ``executor`` are to
    ///   run, which the next wait does first, or results of ``offload(_:then:)`` were handed over.
    /// - Throws: ECANCELED once the port has stopped and everything was delivered, EPERM on another thread than the
    ///   worker's, EDEADLK where a handler takes the completions: within ``run(_:)``, and on a server's or client's worker,
    ///   EBUSY while closures of ``schedule(after:for:_:)`` wait for a handler. Any other error is a failure of the driver
    ///   (ENOMEM, or EBADR where the kernel lost a completion for want of memory): every connection was closed with it, the
    ///   worker has ended, and so it throws from there on.
    public func wait(into batch: inout CompletionBatch, timeout: Duration? = nil) throws(IOCPError) -> Int {
        guard isAttached, use != .handler else { throw .completionsAreAHandlers }
        guard closures.isEmpty else { throw .closuresWait }
        use = .batches
        batch.clear()
        // The loop may want to look at what it was given.
        let isHanded = offloads.hasResults
        if isHanded { offloads.runTurn() }
        if executor.hasJobs { executor.runTurn() }
        let limit = isHanded || executor.hasJobs ? 0 : timeout.map(\.wholeNanoseconds) ?? .max
        let result = unsafe iocp_worker_wait(raw, batch.records, UInt32(truncatingIfNeeded: batch.capacity), limit)
        if result >= 0 {
            if topics.isActive { unsafe topics.look(at: batch.records, count: Int(result), on: raw) }
            unsafe batch.fill(count: Int(result), worker: raw)
            return Int(result)
        }
        if result == -ETIME || result == -EINTR { return 0 }
        throw IOCPError(result: result, .wait)
    }

    /// Begins to take this worker out of its port, as ``CompletionPort/stop(drainingFor:)`` does for all: it accepts no
    /// more, delivers what was posted before, says `stopping`, closes its connections gracefully and aborts what is left
    /// `drain` from now; its wait then throws ECANCELED and posts to it are refused. The other workers go on.
    ///
    /// Later clients reach the others. Those in this worker's backlog meanwhile are reset, unless the sysctl
    /// `net.ipv4.tcp_migrate_req` hands them on. Harmless when the worker has ended already.
    /// - Parameter drain: of any length; a negative one is over already.
    public func leave(drainingFor drain: Duration = .zero) {
        requireOwnThread(unsafe iocp_worker_leave(raw, drain.wholeNanoseconds))
    }

    /// Connects to an address; ends in an `opened` or a `connectFailed` completion carrying `key`. TCP_NODELAY is set.
    ///
    /// Closing or aborting the connection before gives it up: `connectFailed` follows with ECANCELED.
    /// - Parameters:
    ///   - source: the local address to connect from, or nil to let the kernel choose.
    ///   - timeout: how long the peer has to answer, at most one day; nil leaves it to the kernel, about two minutes
    ///     (`net.ipv4.tcp_syn_retries`). Over it `connectFailed` tells ETIMEDOUT, up to 9 ms late and never early.
    /// - Throws: ENFILE when every connection slot is taken, ESHUTDOWN once the port has stopped, ERANGE for a timeout of
    ///   more than one day, or what the system refused.
    @discardableResult
    public func connect(
        to address: SocketAddress, from source: SocketAddress? = nil, key: UInt64 = 0, timeout: Duration? = nil,
        security: ConnectionSecurity? = nil
    ) throws(IOCPError) -> Connection {
        try connect(
            to: .tcp(address), from: source.map(Endpoint.tcp), key: key, timeout: timeout, security: security)
    }

    /// Connects to an endpoint of any kind, as to an address. `source` is of the same kind.
    ///
    /// A Unix connect ends at once. Its `connectFailed` tells ECONNREFUSED when nobody listens there, ENOENT for a path
    /// that is not there, EACCES for one that may not be written, EAGAIN when the server's backlog is full.
    @discardableResult
    public func connect(
        to endpoint: Endpoint, from source: Endpoint? = nil, key: UInt64 = 0, timeout: Duration? = nil,
        security: ConnectionSecurity? = nil
    ) throws(IOCPError) -> Connection {
        let limit = timeout.map { max(1, $0.wholeNanoseconds) } ?? 0
        var token: iocp_token = 0
        var destination = endpoint.raw
        var layer = unsafe security?.layer ?? iocp_layer()
        if let source {
            var from = source.raw
            let result = unsafe iocp_connect_layered(raw, &destination, &from, &layer, limit, key, &token)
            // Refused at the call, with a source: it is what most errors speak of.
            if result < 0 { throw IOCPError(code: result, operation: .connect, detail: "from \(source)") }
        } else {
            let result = unsafe iocp_connect_layered(raw, &destination, nil, &layer, limit, key, &token)
            try check(result, .connect)
        }
        return Connection(token: token)
    }

    /// Takes over a socket that is connected already, for example from `socketpair(2)`, from another process, or from systemd. An
    /// `opened` completion follows that carries `key`, as after a connect; with `security`, behind its handshake.
    ///
    /// On success the descriptor is the worker's, and the socket's options stay as they are. On an error it stays yours. No other
    /// descriptor of the socket should stay open, here or in another process: the peer would not hear of the connection's end.
    /// - Throws: EBADF, ENOTSOCK, EPROTOTYPE, ENOTCONN or EAFNOSUPPORT for what is no connected stream socket of IP or Unix;
    ///   otherwise as ``connect(to:from:key:timeout:security:)-(SocketAddress,_,_,_,_)``.
    @discardableResult
    public func adopt(
        descriptor: Int32, key: UInt64 = 0, security: ConnectionSecurity? = nil
    ) throws(IOCPError) -> Connection {
        var token: iocp_token = 0
        var layer = unsafe security?.layer ?? iocp_layer()
        try check(unsafe iocp_adopt(raw, descriptor, &layer, key, &token), .adopt)
        return Connection(token: token)
    }

    /// What this worker holds now; all zero when nothing is open.
    public var holdings: WorkerHoldings { unsafe WorkerHoldings(iocp_worker_hold(raw)) }

    /// Resident pages of this worker's arenas, and how many of them lie on its node (`move_pages(2)`).
    public func arenaPages() throws(IOCPError) -> (resident: Int, onNode: Int) {
        var resident: UInt64 = 0
        var onNode: UInt64 = 0
        try check(unsafe iocp_worker_pages(raw, &resident, &onNode), .inquiry)
        return (Int(resident), Int(onNode))
    }
}

/// For calls that do not throw: traps where one was made on another thread than its worker's, or by another worker.
@inlinable
@inline(__always)
func requireOwnThread(_ result: Int32) {
    if result == -EPERM { calledOnAnotherThread() }
    if result == -EXDEV { calledOfAnotherWorker() }
}

@usableFromInline
func calledOfAnotherWorker() -> Never {
    fatalError("a connection was closed by another worker than its own: post to its worker instead")
}

@usableFromInline
func calledOnAnotherThread() -> Never {
    fatalError("a worker or one of its connections was used on another thread than the one that opened the worker")
}

/// What a worker holds, for leak checks.
public struct WorkerHoldings: Hashable, Sendable {
    /// Counts of what the worker holds now: connections, receive leases, nodes and chunks of send memory, armed deadlines, handles
    /// of the driver. All are 0 when nothing is left over.
    public let connections, leases, sendNodes, sendChunks, deadlines, driverHandles: Int

    init(_ raw: iocp_worker_holdings) {
        connections = Int(raw.connections)
        leases = Int(raw.leases)
        sendNodes = Int(raw.send_nodes)
        sendChunks = Int(raw.send_chunks)
        deadlines = Int(raw.deadlines)
        driverHandles = Int(raw.driver_handles)
    }

    /// Whether nothing of any kind is held.
    public var isEmpty: Bool {
        connections == 0 && leases == 0 && sendNodes == 0 && sendChunks == 0 && deadlines == 0 && driverHandles == 0
    }
}

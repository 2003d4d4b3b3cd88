import CIOCP

/// Which driver moves bytes under the workers.
public enum Driver: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// io_uring where the kernel allows it to every worker, otherwise epoll; see ``CompletionPort/fallbackCause``.
    case auto = 0
    /// io_uring, or an error that says why it is refused here.
    case uring = 1
    /// epoll, with one file descriptor for each connection.
    case epoll = 2

    /// "auto", "uring" or "epoll".
    public var description: String {
        unsafe String(cString: iocp_driver_name(raw))
    }

    var raw: iocp_driver_kind { iocp_driver_kind(rawValue: rawValue) }
}

/// What happens to a send that would take a connection's unsent bytes over their cap.
public enum OverflowPolicy: UInt8, Sendable, Hashable {
    /// The connection is aborted: `closed(.sendOverflow)`.
    case close = 0
    /// The send is refused whole (EAGAIN): a broadcast drops this message for this peer.
    case refuse = 1

    var raw: iocp_overflow_policy { iocp_overflow_policy(rawValue: rawValue) }
}

/// Everything a port may use. Every bound is checked by ``CompletionPort/init(_:)``; nothing grows beyond it.
public struct PortConfiguration: Sendable, Hashable {
    /// What moves the bytes. ``CompletionPort/driver`` tells what was chosen.
    public var driver: Driver = .auto
    /// Worker threads; 0 is one for each CPU of ``workerPlacement``, at most as many as the quota of a cgroup pays for. At most
    /// 1,024. More workers than CPUs share them.
    public var workers: Int = 0
    /// Connections that the port is to hold, over all workers; 0 says nothing. At most 1,073,741,824.
    ///
    /// ``workers`` and ``connectionsPerWorker`` follow from it where they are 0: as many workers as CPUs, each
    /// with as many rings as RLIMIT_NOFILE asks for. The kernel deals clients out by chance, so a worker has
    /// some places more than its share. A number that is given is kept, and ``CompletionPort/init(_:)`` throws EMFILE where it is
    /// too small; so it does where epoll, with a file descriptor for each connection, cannot have as many.
    public var connections: Int = 0
    /// Connections each worker can hold: at most 1,048,576; 0 is what ``connections`` needs, or else what RLIMIT_NOFILE allows. With
    /// io_uring a connection uses no file descriptor (before Linux 6.13 it does), but each ring's table is bounded by that limit: a
    /// worker with more connections has several rings.
    public var connectionsPerWorker: Int = 0
    /// Size of a receive buffer: a power of two from 4 KiB to 1 MiB.
    public var receiveBufferBytes: Int = 128 * 1024
    /// Receive buffers of each worker, shared by its connections: a power of two from 2 to 16,384.
    public var receiveBuffersPerWorker: Int = 256
    /// Memory for copied unsent bytes of each worker, in chunks of 16 KiB: 4 to 1,048,576. Touched as it is used.
    /// A quarter is kept for connections that keep up: peers that do not read cannot have it.
    public var sendChunksPerWorker: Int = 4096
    /// Completion-queue entries of each ring: a power of two from 64 to 65,536.
    public var completionQueueEntries: Int = 4096
    /// Posts that may wait for each worker: a power of two from 16 to 1,048,576.
    public var mailboxEntries: Int = 16 * 1024
    /// As in `listen(2)`; the kernel caps it at `net.core.somaxconn`.
    public var listenBacklog: Int = 4096
    /// How long a graceful close waits for a peer that neither reads nor finishes. One that acknowledges something in every
    /// such time is waited for until it has everything; one that does not ends with `closed(.sendTimeout)`.
    public var lingerTimeout: Duration = .seconds(5)
    /// Unsent bytes at which a connection that was held back is writable again.
    public var sendLowWatermark: Int = 256 * 1024
    /// Unsent bytes at which a connection's receive pauses: a peer that does not read is not read from. These three are
    /// for each connection; ``ConnectionContext/setWatermarks(_:)`` gives one its own.
    public var sendHighWatermark: Int = 1024 * 1024
    /// Unsent bytes a connection may never exceed: at most 2 GiB - 1.
    public var sendCap: Int = 64 * 1024 * 1024
    /// Whether a connection's receive pauses at its high watermark; see ``ConnectionContext/holdsBackReceive``. A relay switches
    /// it off.
    public var holdsBackReceive = true
    /// What happens to a send that would exceed the cap.
    public var overflowPolicy: OverflowPolicy = .close
    /// Unsent bytes of all connections of a worker; of these, too, a quarter is for those that keep up.
    public var unsentBytesPerWorker: Int = 1 << 30
    /// Ends a connection that neither received nor sent for this long, and whose peer acknowledged nothing of what is on its
    /// way to it; nil never does. At most one day, as below.
    public var idleTimeout: Duration?
    /// Ends a connection that received less than ``receiveProgressBytes`` in this time, unless it was held back here.
    public var receiveTimeout: Duration?
    /// The bytes that ``receiveTimeout`` asks for in its time: at most 4,294,967,295. Use it against peers that send one byte at
    /// a time.
    public var receiveProgressBytes: Int = 1
    /// Ends a connection with unsent bytes whose peer acknowledged nothing in this time. It is noticed after one to two times
    /// this long.
    public var sendTimeout: Duration?
    /// User timers each worker can have armed.
    public var timersPerWorker: Int = 16 * 1024
    /// Which worker has a client that connects.
    public var placement: ConnectionPlacement = .kernelHash
    /// Threads that the port has at most for work that blocks (``IocpContext/offload(_:then:)``); 0 is two for each allowed CPU.
    /// At most 4,096. A port starts the first one with its first such work, and each further one when the others are busy.
    ///
    /// Windows: the concurrency value keeps as many threads running as there are CPUs, by starting one more when one blocks.
    /// Here the workers never block, and these threads do.
    public var offloadThreads: Int = 0
    /// Pieces of blocking work that may wait for a thread, of all workers: 1 to 1,048,576. One more is refused (ENOBUFS).
    public var offloadQueueEntries: Int = 1024
    /// How long a thread of the pool waits for work before it ends: at most one day. The one that was idle for the shortest time
    /// is given work first, so those that are not needed end.
    public var offloadIdleTimeout: Duration = .seconds(10)
    /// Whether a stop of the port, or a leave of a worker, cancels blocking work that no thread has begun with: its result is
    /// ECANCELED, and later work is refused. Otherwise a stop waits for all of it.
    ///
    /// Work that has begun cannot be cancelled. A stop waits for it until the drain is over; then it goes on without anybody who is
    /// given its result, and ``WorkerStats/offloadDepth`` of the ended worker counts it until it ends.
    public var cancelsOffloadsAtStop = false
    /// Whether connections of a worker that has no time left move to one that has. It concerns handlers that take part in moves
    /// (`Handles.Migrated`).
    ///
    /// A worker looks ten times a second. If it took 85 % of a CPU or more in two looks, and another one at least 20 points less, some of
    /// those connections move that had most of the latest receives: as far as the other worker stays behind it with them, and at
    /// most 160 a second. A single connection that needs a whole CPU stays where it is.
    public var balancesLoad = false
    /// Connections one peer address may have, over all workers; 0 is no limit. IPv6 peers are counted by /64.
    public var connectionsPerAddress: Int = 0
    /// Connections accepted per second, over all workers; 0 is no limit. Clients beyond it wait in the backlog.
    /// Each worker has an equal share. After a quiet time as many are accepted at once as in a second, or one by each worker
    /// if that is more, and one for each worker and address.
    public var acceptsPerSecond: Int = 0
    /// How long a worker that had work just now looks for more before it sleeps: at most 10 ms.
    ///
    /// Saves the time of falling asleep and waking, for a core that is busy meanwhile. A worker at rest looks once in
    /// vain, and sleeps until something comes.
    public var spinBeforeSleep: Duration = .zero
    /// How many completions a server's worker takes at a time, at most: 16 to 65,536. What they make it send leaves when the last
    /// of them was handled. More is more per entry into the kernel under load, and a longer turn.
    public var completionsPerWait: Int = 256
    /// How long a wait polls the network card's queues itself (NAPI busy polling): whole microseconds, at most 10 ms.
    ///
    /// For real network cards, on cores set aside; loopback has no queue to poll. Needs Linux 6.9.
    public var busyPoll: Duration = .zero
    /// Restricts each ring to the operations this library uses, and proves at start that others are refused.
    public var lockdown = false
    /// Delivers the peer's FIN as an event instead of closing after it.
    public var deliversHalfClose = false
    /// Announces a connection only when its first bytes arrived (AcceptEx with a receive buffer).
    public var opensAfterFirstBytes = false
    /// Which CPU each worker's thread is bound to.
    public var workerPlacement: WorkerPlacement = .automatic

    /// The defaults, which every property names.
    public init() {}

    /// Checks every bound, as ``CompletionPort/init(_:)`` does, and opens nothing.
    /// - Throws: EINVAL naming the property that is out of its bounds, with them.
    public func validate() throws(IOCPError) {
        try withRaw { (raw) throws(IOCPError) in
            if let field = unsafe iocp_port_config_broken_field(&raw) {
                throw IOCPError(
                    code: 22 /* EINVAL */, operation: .configuration,
                    detail: unsafe ConfigurationBounds.translated(String(cString: field)))
            }
        }
    }

    /// Lends it as the core has it, with the CPUs that it points to.
    /// - Throws: what `raw()` throws, and what the body throws.
    func withRaw(_ body: (inout iocp_port_config) throws(IOCPError) -> Void) throws(IOCPError) {
        var raw = try raw()
        guard case .cpus(let cpus) = workerPlacement else { return try body(&raw) }
        // -1 for what fits no CPU's number: no process may run there.
        let numbers = cpus.map { UInt32(exactly: $0) ?? .max }
        raw.worker_cpu_count = UInt32(clamping: numbers.count)
        var result: Result<Void, IOCPError> = .success(())
        unsafe numbers.withUnsafeBufferPointer { numbers in
            unsafe raw.worker_cpus = numbers.baseAddress
            do throws(IOCPError) {
                try body(&raw)
            } catch {
                result = .failure(error)
            }
        }
        try result.get()
    }

    /// - Throws: EINVAL naming the property that does not fit, with its bounds. What fits is checked by the core.
    private func raw() throws(IOCPError) -> iocp_port_config {
        // The loop of this layer has it; the core is told at each wait.
        guard (16...65_536).contains(completionsPerWait) else {
            throw IOCPError(
                code: 22 /* EINVAL */, operation: .configuration, detail: "completionsPerWait (16 to 65,536)")
        }
        var raw = iocp_port_config_default()
        raw.driver = driver.raw
        try raw.set(\.worker_count, workers, "workers")
        try raw.set(\.connections_per_worker, connectionsPerWorker, "connectionsPerWorker")
        try raw.set(\.connections, connections, "connections")
        try raw.set(\.receive_buffer_bytes, receiveBufferBytes, "receiveBufferBytes")
        try raw.set(\.receive_buffers_per_worker, receiveBuffersPerWorker, "receiveBuffersPerWorker")
        try raw.set(\.send_chunks_per_worker, sendChunksPerWorker, "sendChunksPerWorker")
        try raw.set(\.completion_queue_entries, completionQueueEntries, "completionQueueEntries")
        try raw.set(\.mailbox_entries, mailboxEntries, "mailboxEntries")
        try raw.set(\.listen_backlog, listenBacklog, "listenBacklog")
        try raw.set(\.linger_timeout_ns, lingerTimeout, "lingerTimeout")
        try raw.set(\.send_low_bytes, sendLowWatermark, "sendLowWatermark")
        try raw.set(\.send_high_bytes, sendHighWatermark, "sendHighWatermark")
        try raw.set(\.send_cap_bytes, sendCap, "sendCap")
        raw.overflow_policy = overflowPolicy.raw
        raw.placement = placement.raw
        raw.worker_unsent_bytes = UInt64(clamping: unsentBytesPerWorker)  // 0 is refused with the bounds
        try raw.setTimeout(\.idle_timeout_ns, idleTimeout, "idleTimeout")
        try raw.setTimeout(\.receive_timeout_ns, receiveTimeout, "receiveTimeout")
        try raw.setTimeout(\.send_timeout_ns, sendTimeout, "sendTimeout")
        try raw.set(\.receive_progress_bytes, receiveProgressBytes, "receiveProgressBytes")
        try raw.set(\.timers_per_worker, timersPerWorker, "timersPerWorker")
        try raw.set(\.offload_threads, offloadThreads, "offloadThreads")
        try raw.set(\.offload_queue_entries, offloadQueueEntries, "offloadQueueEntries")
        try raw.set(\.offload_idle_ns, offloadIdleTimeout, "offloadIdleTimeout")
        raw.cancels_offloads_at_stop = cancelsOffloadsAtStop
        raw.balances_load = balancesLoad
        try raw.set(\.connections_per_address, connectionsPerAddress, "connectionsPerAddress")
        try raw.set(\.accepts_per_second, acceptsPerSecond, "acceptsPerSecond")
        try raw.set(\.spin_ns, spinBeforeSleep, "spinBeforeSleep")
        try raw.set(\.busy_poll_us, try busyPollMicroseconds(), "busyPoll")
        raw.lockdown = lockdown
        raw.holds_back_receive = holdsBackReceive
        raw.half_close = deliversHalfClose
        raw.deliver_after_first_bytes = opensAfterFirstBytes
        raw.worker_placement = workerPlacement.raw
        return raw
    }

    /// -1 for a negative time, which fits no field.
    private func busyPollMicroseconds() throws(IOCPError) -> Int {
        guard busyPoll >= .zero else { return -1 }
        let (microseconds, rest) = busyPoll.wholeNanoseconds.quotientAndRemainder(dividingBy: 1000)
        guard rest == 0 else {
            throw IOCPError(code: 22 /* EINVAL */, operation: .configuration, detail: "busyPoll (whole microseconds)")
        }
        return Int(clamping: microseconds)  // too many for the field, which names the bound
    }
}

extension Duration {
    /// For the core's `_ns` arguments, rounded up: a negative one has passed already, as has 0; one of more than 584 years,
    /// which does not fit, has no end.
    @usableFromInline
    var wholeNanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        guard seconds >= 0, attoseconds >= 0 else { return 0 }
        let (whole, isTooLong) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
        let (sum, isLonger) = whole.addingReportingOverflow((UInt64(attoseconds) + 999_999_999) / 1_000_000_000)
        return isTooLong || isLonger ? .max : sum
    }
}

extension WorkerPlacement {
    fileprivate var raw: iocp_worker_placement {
        switch self {
        case .automatic: IOCP_PLACE_AUTOMATIC
        case .everyCPU: IOCP_PLACE_EVERY_CPU
        case .physicalCores: IOCP_PLACE_CORES
        case .cpus: IOCP_PLACE_LISTED
        case .unbound: IOCP_PLACE_UNBOUND
        }
    }
}

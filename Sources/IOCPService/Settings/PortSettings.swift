#if Service
import IOCP

extension Setting {
    /// The properties of ``PortConfiguration``, by their names; `listen.backlog` stands for the backlog.
    static let port: [Setting] = [
        .word(
            "driver", \.port.driver, Driver.allCases.map { ($0.description, $0) },
            "What moves the bytes: auto is uring where the kernel allows it, otherwise epoll."),
        .number(
            "workers", \.port.workers,
            "Worker threads; 0: one per CPU that counts, at most what a cgroup's quota pays for."),
        .value(
            "workerPlacement", .cpus, \.port.workerPlacement,
            "Which CPU each worker is bound to; automatic: one each, if there are as many workers as CPUs."),
        .number(
            "connections", \.port.connections,
            "Connections of all workers, which are as many as it takes; 0: not said."),
        .number(
            "connectionsPerWorker", \.port.connectionsPerWorker,
            "Connections that each worker can hold; 0: what connections needs, or RLIMIT_NOFILE allows."),
        .size("receiveBufferBytes", \.port.receiveBufferBytes, "Size of a receive buffer."),
        .number("receiveBuffersPerWorker", \.port.receiveBuffersPerWorker, "Receive buffers of each worker."),
        .number(
            "sendChunksPerWorker", \.port.sendChunksPerWorker,
            "Memory for copied unsent bytes of each worker, in chunks of 16 KiB."),
        .number(
            "completionQueueEntries", \.port.completionQueueEntries, "Entries of each ring's completion queue."),
        .number("mailboxEntries", \.port.mailboxEntries, "Posts that may wait for each worker."),
        .time(
            "lingerTimeout", \.port.lingerTimeout,
            "How long a graceful close waits for a peer that acknowledges nothing."),
        .size(
            "sendLowWatermark", \.port.sendLowWatermark,
            "Unsent bytes at which a connection that was held back goes on."),
        .size("sendHighWatermark", \.port.sendHighWatermark, "Unsent bytes at which a connection is held back."),
        .size("sendCap", \.port.sendCap, "Unsent bytes that a connection may never exceed."),
        .flag(
            "holdsBackReceive", \.port.holdsBackReceive,
            "Whether receiving pauses at the high watermark."),
        .word(
            "overflowPolicy", \.port.overflowPolicy, [("close", .close), ("refuse", .refuse)],
            "Whether a send over the cap ends its connection, or is refused."),
        .size("unsentBytesPerWorker", \.port.unsentBytesPerWorker, "Unsent bytes of all connections of a worker."),
        .time(
            "idleTimeout", \.port.idleTimeout, none: "never",
            "Ends a connection that neither received nor sent for this long."),
        .time(
            "receiveTimeout", \.port.receiveTimeout, none: "never",
            "Ends a connection that received less than receiveProgressBytes in this time."),
        .size("receiveProgressBytes", \.port.receiveProgressBytes, "See receiveTimeout."),
        .time(
            "sendTimeout", \.port.sendTimeout, none: "never",
            "Ends a connection whose peer acknowledged nothing of what is on its way in this time."),
        .number("timersPerWorker", \.port.timersPerWorker, "Timers that each worker can have armed."),
        .word(
            "placement", \.port.placement, ConnectionPlacement.allCases.map { ($0.description, $0) },
            "Which worker has a client: by the kernel's hash, by the CPU of its packets, or the one with the fewest."),
        .number("offloadThreads", \.port.offloadThreads, "Threads for blocking work, at most; 0: two for each CPU."),
        .number(
            "offloadQueueEntries", \.port.offloadQueueEntries, "Pieces of blocking work that may wait for a thread."),
        .time(
            "offloadIdleTimeout", \.port.offloadIdleTimeout,
            "How long a thread for blocking work waits for some before it ends."),
        .flag(
            "cancelsOffloadsAtStop", \.port.cancelsOffloadsAtStop,
            "Whether a stop cancels blocking work that has not begun, and does not wait for it."),
        .flag(
            "balancesLoad", \.port.balancesLoad,
            "Whether connections of a worker without time left move to one that has some."),
        .number(
            "connectionsPerAddress", \.port.connectionsPerAddress,
            "Connections that one peer address may have; 0: no limit."),
        .number(
            "acceptsPerSecond", \.port.acceptsPerSecond, "Connections accepted per second; 0: no limit."),
        .time(
            "spinBeforeSleep", \.port.spinBeforeSleep,
            "How long a worker that had work just now looks for more before it sleeps."),
        .number("completionsPerWait", \.port.completionsPerWait, "Completions that a worker takes at a time, at most."),
        .time("busyPoll", \.port.busyPoll, "How long a wait polls the network card's queues itself."),
        .flag("lockdown", \.port.lockdown, "Restricts each ring to the operations that the library uses."),
        .flag(
            "deliversHalfClose", \.port.deliversHalfClose,
            "Whether a peer's FIN is an event, and does not close."),
        .flag(
            "opensAfterFirstBytes", \.port.opensAfterFirstBytes,
            "Whether a connection is announced with its first bytes only."),
    ]
}
#endif

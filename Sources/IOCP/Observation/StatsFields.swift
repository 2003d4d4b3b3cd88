// Generated from CSources/CIOCP/include/iocp_stats_fields.h by `make generate`. Do not edit.
import CIOCP

extension StatsField {
    /// Connections that are open now.
    public static let connections = StatsField(IOCP_STATS_INDEX_connections)
    /// Connections that were accepted.
    public static let accepted = StatsField(IOCP_STATS_INDEX_accepted)
    /// Connections that were opened by a connect.
    public static let connected = StatsField(IOCP_STATS_INDEX_connected)
    /// Connections that have closed.
    public static let closed = StatsField(IOCP_STATS_INDEX_closed)
    /// Bytes that were received.
    public static let receivedBytes = StatsField(IOCP_STATS_INDEX_received_bytes)
    /// Bytes that the transport took.
    public static let sentBytes = StatsField(IOCP_STATS_INDEX_sent_bytes)
    /// Receives that brought bytes.
    public static let receivedOperations = StatsField(IOCP_STATS_INDEX_received_operations)
    /// Sends that have ended.
    public static let sentOperations = StatsField(IOCP_STATS_INDEX_sent_operations)
    /// Completion records that were handed to the application.
    public static let completions = StatsField(IOCP_STATS_INDEX_completions)
    /// Entries of the loop into the kernel: io_uring_enter or epoll_wait.
    public static let enters = StatsField(IOCP_STATS_INDEX_enters)
    /// Receives that found no free buffer and waited for one.
    public static let starvedReceives = StatsField(IOCP_STATS_INDEX_starved_receives)
    /// Sends that took fewer bytes than they were offered.
    public static let shortSends = StatsField(IOCP_STATS_INDEX_short_sends)
    /// Posts that were delivered.
    public static let posts = StatsField(IOCP_STATS_INDEX_posts)
    /// Accepts that failed and were tried again.
    public static let acceptFailures = StatsField(IOCP_STATS_INDEX_accept_failures)
    /// Overflows of the kernel's completion queue.
    public static let queueOverflows = StatsField(IOCP_STATS_INDEX_queue_overflows)
    /// Connections refused because their address has as many as it may, or is not known.
    public static let refusedAddresses = StatsField(IOCP_STATS_INDEX_refused_addresses)
    /// Pauses in accepting because of the accept rate or a full table.
    public static let delayedAccepts = StatsField(IOCP_STATS_INDEX_delayed_accepts)
    /// Sends that were refused because of a cap or for want of memory.
    public static let refusedSends = StatsField(IOCP_STATS_INDEX_refused_sends)
    /// Connections that a deadline ended.
    public static let timeouts = StatsField(IOCP_STATS_INDEX_timeouts)
    /// Time of the monotonic clock at which the latest wait ended.
    public static let heartbeat = StatsField(IOCP_STATS_INDEX_heartbeat_ns)
    /// Whether the worker sleeps in the kernel; an old heartbeat means a stall only while it does not.
    public static let asleep = StatsField(IOCP_STATS_INDEX_asleep)
    /// Bytes that wait for the transport, as of the latest wait.
    public static let unsentBytes = StatsField(IOCP_STATS_INDEX_unsent_bytes)
    /// Errors of handlers that ended a connection or were told to the handler itself.
    public static let handlerErrors = StatsField(IOCP_STATS_INDEX_handler_errors)
    /// Sends from other threads that were dropped: the connection was gone or refused them.
    public static let droppedSends = StatsField(IOCP_STATS_INDEX_dropped_sends)
    /// Jobs of async code that were run.
    public static let jobs = StatsField(IOCP_STATS_INDEX_jobs)
    /// Jobs of async code that wait, as of the latest turn.
    public static let waitingJobs = StatsField(IOCP_STATS_INDEX_waiting_jobs)
    /// TLS handshakes that opened a connection.
    public static let handshakes = StatsField(IOCP_STATS_INDEX_handshakes)
    /// Of these, those that went on with an earlier session.
    public static let resumedHandshakes = StatsField(IOCP_STATS_INDEX_resumed_handshakes)
    /// Of these, those of an older version than the newest.
    public static let oldVersionHandshakes = StatsField(IOCP_STATS_INDEX_old_version_handshakes)
    /// TLS handshakes that opened nothing.
    public static let failedHandshakes = StatsField(IOCP_STATS_INDEX_failed_handshakes)
    /// Of these, those that did not end in time.
    public static let timedOutHandshakes = StatsField(IOCP_STATS_INDEX_timed_out_handshakes)
    /// Of these, those that the peer ended with an alert: it does not trust the certificate, for example.
    public static let handshakesRefusedByPeer = StatsField(IOCP_STATS_INDEX_handshakes_refused_by_peer)
    /// TLS connections whose peer sent FIN without close_notify.
    public static let cutLayers = StatsField(IOCP_STATS_INDEX_cut_layers)
    /// Open TLS connections that ended for a wrong record or message.
    public static let brokenLayers = StatsField(IOCP_STATS_INDEX_broken_layers)
    /// Connections that a stop aborted because its drain had ended.
    public static let abortedByStop = StatsField(IOCP_STATS_INDEX_aborted_by_stop)
    /// Connections that this side closed.
    public static let closedHere = StatsField(IOCP_STATS_INDEX_closed_here)
    /// Connections that closed because the peer sent FIN.
    public static let closedByPeer = StatsField(IOCP_STATS_INDEX_closed_by_peer)
    /// Connections that closed because the peer sent RST or vanished.
    public static let reset = StatsField(IOCP_STATS_INDEX_reset)
    /// Connections that this side aborted.
    public static let aborted = StatsField(IOCP_STATS_INDEX_aborted)
    /// Connections that a stop closed or aborted.
    public static let closedByStop = StatsField(IOCP_STATS_INDEX_closed_by_stop)
    /// Connections that were ended because they were idle for too long.
    public static let idleTimeouts = StatsField(IOCP_STATS_INDEX_idle_timeouts)
    /// Connections that were ended because they received nothing for too long.
    public static let receiveTimeouts = StatsField(IOCP_STATS_INDEX_receive_timeouts)
    /// Connections that were ended because the peer took no bytes for too long.
    public static let sendTimeouts = StatsField(IOCP_STATS_INDEX_send_timeouts)
    /// Connections that were ended for unsent bytes: above their cap, or in memory that others needed.
    public static let overflows = StatsField(IOCP_STATS_INDEX_overflows)
    /// Connections that another error of the transport ended.
    public static let failed = StatsField(IOCP_STATS_INDEX_failed)
    /// Connections that TLS refused.
    public static let closedByLayer = StatsField(IOCP_STATS_INDEX_closed_by_layer)
    /// Sends of io_uring whose success made no completion.
    public static let silentSends = StatsField(IOCP_STATS_INDEX_silent_sends)
    /// Posts that a full mailbox refused, as of the latest wait.
    public static let refusedPosts = StatsField(IOCP_STATS_INDEX_refused_posts)
    /// User timers that are started, as of the latest wait.
    public static let timers = StatsField(IOCP_STATS_INDEX_timers)
    /// Large receive buffers of the worker.
    public static let receiveBuffers = StatsField(IOCP_STATS_INDEX_receive_buffers)
    /// Large receive buffers that neither the application nor the kernel has, as of the latest wait.
    public static let freeReceiveBuffers = StatsField(IOCP_STATS_INDEX_free_receive_buffers)
    /// Receives whose bytes the application or a send keeps, as of the latest wait.
    public static let leases = StatsField(IOCP_STATS_INDEX_leases)
    /// Address space of the receive buffers.
    public static let receiveMemoryBytes = StatsField(IOCP_STATS_INDEX_receive_memory_bytes)
    /// Address space of the memory that sends are copied into.
    public static let sendMemoryBytes = StatsField(IOCP_STATS_INDEX_send_memory_bytes)
    /// Address space of the tables of connections and their sends.
    public static let connectionMemoryBytes = StatsField(IOCP_STATS_INDEX_connection_memory_bytes)
    /// CPU time of the worker's thread since it began, measured every 10 ms at most.
    public static let cpuTime = StatsField(IOCP_STATS_INDEX_cpu_time_ns)
    /// The longest time for which the application held the thread between two waits.
    public static let longestTurn = StatsField(IOCP_STATS_INDEX_longest_turn_ns)
    /// Time of the monotonic clock at which the longest turn ended.
    public static let longestTurnAt = StatsField(IOCP_STATS_INDEX_longest_turn_at_ns)
    /// What took most of the longest turn: a kind of completion by its number, 100 for jobs, 101 for results of
    /// offloaded work, 0 for unknown.
    public static let longestTurnIn = StatsField(IOCP_STATS_INDEX_longest_turn_in)
    /// Clients in the backlogs of TCP listeners that wait to be accepted, as of a look every 100 ms.
    public static let waitingClients = StatsField(IOCP_STATS_INDEX_waiting_clients)
    /// Clients that these backlogs let wait; each lets in one more.
    public static let backlogLimit = StatsField(IOCP_STATS_INDEX_backlog_limit)
    /// Attempts to connect that the kernel dropped, mostly at a full backlog; a client's next one counts again.
    public static let droppedClients = StatsField(IOCP_STATS_INDEX_dropped_clients)
    /// Of refused_addresses, those whose address has as many connections as it may.
    public static let refusedOverAddressLimit = StatsField(IOCP_STATS_INDEX_refused_over_address_limit)
    /// Of refused_addresses, those that had no address: the client had gone, or the kernel did not tell in time.
    public static let refusedUnknownAddress = StatsField(IOCP_STATS_INDEX_refused_unknown_address)
    /// Of refused_addresses, those whose address was not told before a stop.
    public static let refusedByStop = StatsField(IOCP_STATS_INDEX_refused_by_stop)
    /// Of accept_failures, those that found no descriptor: EMFILE or ENFILE.
    public static let acceptsOutOfDescriptors = StatsField(IOCP_STATS_INDEX_accepts_out_of_descriptors)
    /// Of accept_failures, those that found no memory in the kernel: ENOBUFS or ENOMEM.
    public static let acceptsOutOfMemory = StatsField(IOCP_STATS_INDEX_accepts_out_of_memory)
    /// Of accept_failures, clients that were accepted and let go because the table was full.
    public static let acceptsOutOfSlots = StatsField(IOCP_STATS_INDEX_accepts_out_of_slots)
    /// Of accept_failures, those with another error.
    public static let acceptsFailedOtherwise = StatsField(IOCP_STATS_INDEX_accepts_failed_otherwise)
    /// Of delayed_accepts, pauses because of the accept rate.
    public static let delaysByRate = StatsField(IOCP_STATS_INDEX_delays_by_rate)
    /// Of delayed_accepts, pauses because every slot was taken.
    public static let delaysByFullTable = StatsField(IOCP_STATS_INDEX_delays_by_full_table)
    /// Of refused_sends, those for which the connection had too many unsent bytes.
    public static let sendsOverCap = StatsField(IOCP_STATS_INDEX_sends_over_cap)
    /// Of refused_sends, those for which the worker had too many unsent bytes.
    public static let sendsOverWorkerCap = StatsField(IOCP_STATS_INDEX_sends_over_worker_cap)
    /// Of refused_sends, those that found no send memory.
    public static let sendsOutOfMemory = StatsField(IOCP_STATS_INDEX_sends_out_of_memory)
    /// Of refused_sends, connections that ended because others needed the memory of their unsent bytes.
    public static let sendsSqueezedOut = StatsField(IOCP_STATS_INDEX_sends_squeezed_out)
    /// Features of the kernel that the worker's driver uses.
    public static let features = StatsField(IOCP_STATS_INDEX_features)
    /// Time of the monotonic clock at which the worker opened.
    public static let openedAt = StatsField(IOCP_STATS_INDEX_opened_at_ns)
    /// Time of the library's own in waits, outside of the kernel, estimated from one wait of sixteen.
    public static let libraryTime = StatsField(IOCP_STATS_INDEX_library_time_ns)
    /// Clients that another worker accepted, and handed over to this one.
    public static let movesIn = StatsField(IOCP_STATS_INDEX_moves_in)
    /// Clients that this worker accepted, and handed over to another one.
    public static let movesOut = StatsField(IOCP_STATS_INDEX_moves_out)
    /// Clients that were handed over to this worker and closed, as it was stopping or had no place for them.
    public static let movesLost = StatsField(IOCP_STATS_INDEX_moves_lost)
    /// Pieces of blocking work that were handed to the port's pool.
    public static let offloads = StatsField(IOCP_STATS_INDEX_offloads)
    /// Of these, those that wait, run, or whose results were not taken yet.
    public static let offloadDepth = StatsField(IOCP_STATS_INDEX_offload_depth)
    /// Pieces of blocking work that the pool refused: its queue was full.
    public static let refusedOffloads = StatsField(IOCP_STATS_INDEX_refused_offloads)
    /// Results of blocking work that nobody was given: the connection, or the worker, was gone.
    public static let droppedOffloads = StatsField(IOCP_STATS_INDEX_dropped_offloads)
    /// Threads of the port's pool now; worker 0 counts them for the port.
    public static let offloadThreads = StatsField(IOCP_STATS_INDEX_offload_threads)
    /// Open connections that came from another worker.
    public static let migratedIn = StatsField(IOCP_STATS_INDEX_migrated_in)
    /// Open connections that went to another worker.
    public static let migratedOut = StatsField(IOCP_STATS_INDEX_migrated_out)
    /// Of the worker's slots, buffers, queues and deadlines, what is touched, as of its latest round of looks.
    public static let memoryResidentBytes = StatsField(IOCP_STATS_INDEX_memory_resident_bytes)
    /// Of these, what lies on the worker's NUMA node.
    public static let memoryOnNodeBytes = StatsField(IOCP_STATS_INDEX_memory_on_node_bytes)
}

extension WorkerStats {
    /// Connections that are open now.
    public var connections: UInt64 { raw.connections }
    /// Connections that were accepted.
    public var accepted: UInt64 { raw.accepted }
    /// Connections that were opened by a connect.
    public var connected: UInt64 { raw.connected }
    /// Connections that have closed.
    public var closed: UInt64 { raw.closed }
    /// Bytes that were received.
    public var receivedBytes: UInt64 { raw.received_bytes }
    /// Bytes that the transport took.
    public var sentBytes: UInt64 { raw.sent_bytes }
    /// Receives that brought bytes.
    public var receivedOperations: UInt64 { raw.received_operations }
    /// Sends that have ended.
    public var sentOperations: UInt64 { raw.sent_operations }
    /// Completion records that were handed to the application.
    public var completions: UInt64 { raw.completions }
    /// Entries of the loop into the kernel: io_uring_enter or epoll_wait.
    public var enters: UInt64 { raw.enters }
    /// Receives that found no free buffer and waited for one.
    public var starvedReceives: UInt64 { raw.starved_receives }
    /// Sends that took fewer bytes than they were offered.
    public var shortSends: UInt64 { raw.short_sends }
    /// Posts that were delivered.
    public var posts: UInt64 { raw.posts }
    /// Accepts that failed and were tried again.
    public var acceptFailures: UInt64 { raw.accept_failures }
    /// Overflows of the kernel's completion queue.
    public var queueOverflows: UInt64 { raw.queue_overflows }
    /// Connections refused because their address has as many as it may, or is not known.
    public var refusedAddresses: UInt64 { raw.refused_addresses }
    /// Pauses in accepting because of the accept rate or a full table.
    public var delayedAccepts: UInt64 { raw.delayed_accepts }
    /// Sends that were refused because of a cap or for want of memory.
    public var refusedSends: UInt64 { raw.refused_sends }
    /// Connections that a deadline ended.
    public var timeouts: UInt64 { raw.timeouts }
    /// Time of the monotonic clock at which the latest wait ended.
    public var heartbeat: Duration { .nanoseconds(Int64(clamping: raw.heartbeat_ns)) }
    /// Whether the worker sleeps in the kernel; an old heartbeat means a stall only while it does not.
    public var isAsleep: Bool { raw.asleep != 0 }
    /// Bytes that wait for the transport, as of the latest wait.
    public var unsentBytes: UInt64 { raw.unsent_bytes }
    /// Errors of handlers that ended a connection or were told to the handler itself.
    public var handlerErrors: UInt64 { raw.handler_errors }
    /// Sends from other threads that were dropped: the connection was gone or refused them.
    public var droppedSends: UInt64 { raw.dropped_sends }
    /// Jobs of async code that were run.
    public var jobs: UInt64 { raw.jobs }
    /// Jobs of async code that wait, as of the latest turn.
    public var waitingJobs: UInt64 { raw.waiting_jobs }
    /// TLS handshakes that opened a connection.
    public var handshakes: UInt64 { raw.handshakes }
    /// Of these, those that went on with an earlier session.
    public var resumedHandshakes: UInt64 { raw.resumed_handshakes }
    /// Of these, those of an older version than the newest.
    public var oldVersionHandshakes: UInt64 { raw.old_version_handshakes }
    /// TLS handshakes that opened nothing.
    public var failedHandshakes: UInt64 { raw.failed_handshakes }
    /// Of these, those that did not end in time.
    public var timedOutHandshakes: UInt64 { raw.timed_out_handshakes }
    /// Of these, those that the peer ended with an alert: it does not trust the certificate, for example.
    public var handshakesRefusedByPeer: UInt64 { raw.handshakes_refused_by_peer }
    /// TLS connections whose peer sent FIN without close_notify.
    public var cutLayers: UInt64 { raw.cut_layers }
    /// Open TLS connections that ended for a wrong record or message.
    public var brokenLayers: UInt64 { raw.broken_layers }
    /// Connections that a stop aborted because its drain had ended.
    public var abortedByStop: UInt64 { raw.aborted_by_stop }
    /// Connections that this side closed.
    public var closedHere: UInt64 { raw.closed_here }
    /// Connections that closed because the peer sent FIN.
    public var closedByPeer: UInt64 { raw.closed_by_peer }
    /// Connections that closed because the peer sent RST or vanished.
    public var reset: UInt64 { raw.reset }
    /// Connections that this side aborted.
    public var aborted: UInt64 { raw.aborted }
    /// Connections that a stop closed or aborted.
    public var closedByStop: UInt64 { raw.closed_by_stop }
    /// Connections that were ended because they were idle for too long.
    public var idleTimeouts: UInt64 { raw.idle_timeouts }
    /// Connections that were ended because they received nothing for too long.
    public var receiveTimeouts: UInt64 { raw.receive_timeouts }
    /// Connections that were ended because the peer took no bytes for too long.
    public var sendTimeouts: UInt64 { raw.send_timeouts }
    /// Connections that were ended for unsent bytes: above their cap, or in memory that others needed.
    public var overflows: UInt64 { raw.overflows }
    /// Connections that another error of the transport ended.
    public var failed: UInt64 { raw.failed }
    /// Connections that TLS refused.
    public var closedByLayer: UInt64 { raw.closed_by_layer }
    /// Sends of io_uring whose success made no completion.
    public var silentSends: UInt64 { raw.silent_sends }
    /// Posts that a full mailbox refused, as of the latest wait.
    public var refusedPosts: UInt64 { raw.refused_posts }
    /// User timers that are started, as of the latest wait.
    public var timers: UInt64 { raw.timers }
    /// Large receive buffers of the worker.
    public var receiveBuffers: UInt64 { raw.receive_buffers }
    /// Large receive buffers that neither the application nor the kernel has, as of the latest wait.
    public var freeReceiveBuffers: UInt64 { raw.free_receive_buffers }
    /// Receives whose bytes the application or a send keeps, as of the latest wait.
    public var leases: UInt64 { raw.leases }
    /// Address space of the receive buffers.
    public var receiveMemoryBytes: UInt64 { raw.receive_memory_bytes }
    /// Address space of the memory that sends are copied into.
    public var sendMemoryBytes: UInt64 { raw.send_memory_bytes }
    /// Address space of the tables of connections and their sends.
    public var connectionMemoryBytes: UInt64 { raw.connection_memory_bytes }
    /// CPU time of the worker's thread since it began, measured every 10 ms at most.
    public var cpuTime: Duration { .nanoseconds(Int64(clamping: raw.cpu_time_ns)) }
    /// The longest time for which the application held the thread between two waits.
    public var longestTurn: Duration { .nanoseconds(Int64(clamping: raw.longest_turn_ns)) }
    /// Time of the monotonic clock at which the longest turn ended.
    public var longestTurnAt: Duration { .nanoseconds(Int64(clamping: raw.longest_turn_at_ns)) }
    /// What took most of the longest turn: a kind of completion by its number, 100 for jobs, 101 for results of
    /// offloaded work, 0 for unknown.
    public var longestTurnIn: UInt64 { raw.longest_turn_in }
    /// Clients in the backlogs of TCP listeners that wait to be accepted, as of a look every 100 ms.
    public var waitingClients: UInt64 { raw.waiting_clients }
    /// Clients that these backlogs let wait; each lets in one more.
    public var backlogLimit: UInt64 { raw.backlog_limit }
    /// Attempts to connect that the kernel dropped, mostly at a full backlog; a client's next one counts again.
    public var droppedClients: UInt64 { raw.dropped_clients }
    /// Of refused_addresses, those whose address has as many connections as it may.
    public var refusedOverAddressLimit: UInt64 { raw.refused_over_address_limit }
    /// Of refused_addresses, those that had no address: the client had gone, or the kernel did not tell in time.
    public var refusedUnknownAddress: UInt64 { raw.refused_unknown_address }
    /// Of refused_addresses, those whose address was not told before a stop.
    public var refusedByStop: UInt64 { raw.refused_by_stop }
    /// Of accept_failures, those that found no descriptor: EMFILE or ENFILE.
    public var acceptsOutOfDescriptors: UInt64 { raw.accepts_out_of_descriptors }
    /// Of accept_failures, those that found no memory in the kernel: ENOBUFS or ENOMEM.
    public var acceptsOutOfMemory: UInt64 { raw.accepts_out_of_memory }
    /// Of accept_failures, clients that were accepted and let go because the table was full.
    public var acceptsOutOfSlots: UInt64 { raw.accepts_out_of_slots }
    /// Of accept_failures, those with another error.
    public var acceptsFailedOtherwise: UInt64 { raw.accepts_failed_otherwise }
    /// Of delayed_accepts, pauses because of the accept rate.
    public var delaysByRate: UInt64 { raw.delays_by_rate }
    /// Of delayed_accepts, pauses because every slot was taken.
    public var delaysByFullTable: UInt64 { raw.delays_by_full_table }
    /// Of refused_sends, those for which the connection had too many unsent bytes.
    public var sendsOverCap: UInt64 { raw.sends_over_cap }
    /// Of refused_sends, those for which the worker had too many unsent bytes.
    public var sendsOverWorkerCap: UInt64 { raw.sends_over_worker_cap }
    /// Of refused_sends, those that found no send memory.
    public var sendsOutOfMemory: UInt64 { raw.sends_out_of_memory }
    /// Of refused_sends, connections that ended because others needed the memory of their unsent bytes.
    public var sendsSqueezedOut: UInt64 { raw.sends_squeezed_out }
    /// Features of the kernel that the worker's driver uses.
    public var features: UInt64 { raw.features }
    /// Time of the monotonic clock at which the worker opened.
    public var openedAt: Duration { .nanoseconds(Int64(clamping: raw.opened_at_ns)) }
    /// Time of the library's own in waits, outside of the kernel, estimated from one wait of sixteen.
    public var libraryTime: Duration { .nanoseconds(Int64(clamping: raw.library_time_ns)) }
    /// Clients that another worker accepted, and handed over to this one.
    public var movesIn: UInt64 { raw.moves_in }
    /// Clients that this worker accepted, and handed over to another one.
    public var movesOut: UInt64 { raw.moves_out }
    /// Clients that were handed over to this worker and closed, as it was stopping or had no place for them.
    public var movesLost: UInt64 { raw.moves_lost }
    /// Pieces of blocking work that were handed to the port's pool.
    public var offloads: UInt64 { raw.offloads }
    /// Of these, those that wait, run, or whose results were not taken yet.
    public var offloadDepth: UInt64 { raw.offload_depth }
    /// Pieces of blocking work that the pool refused: its queue was full.
    public var refusedOffloads: UInt64 { raw.refused_offloads }
    /// Results of blocking work that nobody was given: the connection, or the worker, was gone.
    public var droppedOffloads: UInt64 { raw.dropped_offloads }
    /// Threads of the port's pool now; worker 0 counts them for the port.
    public var offloadThreads: UInt64 { raw.offload_threads }
    /// Open connections that came from another worker.
    public var migratedIn: UInt64 { raw.migrated_in }
    /// Open connections that went to another worker.
    public var migratedOut: UInt64 { raw.migrated_out }
    /// Of the worker's slots, buffers, queues and deadlines, what is touched, as of its latest round of looks.
    public var memoryResidentBytes: UInt64 { raw.memory_resident_bytes }
    /// Of these, what lies on the worker's NUMA node.
    public var memoryOnNodeBytes: UInt64 { raw.memory_on_node_bytes }
}

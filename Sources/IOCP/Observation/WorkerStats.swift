import CIOCP

/// The counters of one worker at one moment. Monotonic, except ``connections`` and ``unsentBytes``.
public struct WorkerStats: Hashable, Sendable {
    /// The CPU the worker's thread is bound to, or nil.
    public var core: Int?
    public var node: Int = 0
    /// Connections open now.
    public var connections: UInt64 = 0
    public var accepted: UInt64 = 0
    /// Connections opened by connect.
    public var connected: UInt64 = 0
    public var closed: UInt64 = 0
    public var receivedBytes: UInt64 = 0
    /// Bytes taken by the transport.
    public var sentBytes: UInt64 = 0
    /// Receives that carried bytes.
    public var receivedOperations: UInt64 = 0
    /// Sends that ended.
    public var sentOperations: UInt64 = 0
    /// Completion records handed to the application.
    public var completions: UInt64 = 0
    /// Kernel entries of the loop.
    public var enters: UInt64 = 0
    /// Receives that found no buffer and waited for one.
    public var starvedReceives: UInt64 = 0
    /// Sends that took less than offered.
    public var shortSends: UInt64 = 0
    /// Posts delivered.
    public var posts: UInt64 = 0
    /// Accepts that failed and were retried.
    public var acceptFailures: UInt64 = 0
    /// Times the completion queue overflowed.
    public var queueOverflows: UInt64 = 0
    /// Connections refused because their address has as many as it may.
    public var refusedAddresses: UInt64 = 0
    /// Times accepting paused for the accept rate or a full table.
    public var delayedAccepts: UInt64 = 0
    /// Sends refused: over a cap, or without memory.
    public var refusedSends: UInt64 = 0
    /// Connections ended by a deadline.
    public var timeouts: UInt64 = 0
    /// Bytes queued and not yet taken by the transport, as of the latest wait.
    public var unsentBytes: UInt64 = 0
    /// When the latest wait ended, on the monotonic clock.
    public var heartbeat: Duration = .zero
    /// Whether the worker sleeps in the kernel, as one with nothing to do does.
    public var isAsleep = false

    /// How long the worker's handlers have been running since its latest wait: zero while it sleeps, and a stall when it
    /// grows, since the worker's other connections wait as long.
    /// - Parameter now: the monotonic clock.
    public func busy(at now: Duration) -> Duration {
        isAsleep || heartbeat == .zero ? .zero : max(.zero, now - heartbeat)
    }

    public init() {}

    init(_ raw: iocp_worker_stats) {
        core = raw.cpu == .max ? nil : Int(raw.cpu)
        node = Int(raw.node)
        connections = raw.connections
        accepted = raw.accepted
        connected = raw.connected
        closed = raw.closed
        receivedBytes = raw.received_bytes
        sentBytes = raw.sent_bytes
        receivedOperations = raw.received_operations
        sentOperations = raw.sent_operations
        completions = raw.completions
        enters = raw.enters
        starvedReceives = raw.starved_receives
        shortSends = raw.short_sends
        posts = raw.posts
        acceptFailures = raw.accept_failures
        queueOverflows = raw.queue_overflows
        refusedAddresses = raw.refused_addresses
        delayedAccepts = raw.delayed_accepts
        refusedSends = raw.refused_sends
        timeouts = raw.timeouts
        unsentBytes = raw.unsent_bytes
        heartbeat = .nanoseconds(Int64(clamping: raw.heartbeat_ns))
        isAsleep = raw.asleep != 0
    }

    /// Adds another worker's counters; core, node, heartbeat and sleep stay. A sum that does not fit wraps: they may be
    /// whatever another process wrote into its page.
    public static func += (left: inout WorkerStats, right: WorkerStats) {
        left.connections &+= right.connections
        left.accepted &+= right.accepted
        left.connected &+= right.connected
        left.closed &+= right.closed
        left.receivedBytes &+= right.receivedBytes
        left.sentBytes &+= right.sentBytes
        left.receivedOperations &+= right.receivedOperations
        left.sentOperations &+= right.sentOperations
        left.completions &+= right.completions
        left.enters &+= right.enters
        left.starvedReceives &+= right.starvedReceives
        left.shortSends &+= right.shortSends
        left.posts &+= right.posts
        left.acceptFailures &+= right.acceptFailures
        left.queueOverflows &+= right.queueOverflows
        left.refusedAddresses &+= right.refusedAddresses
        left.delayedAccepts &+= right.delayedAccepts
        left.refusedSends &+= right.refusedSends
        left.timeouts &+= right.timeouts
        left.unsentBytes &+= right.unsentBytes
    }
}

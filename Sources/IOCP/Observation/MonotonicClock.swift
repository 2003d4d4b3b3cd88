import CIOCP

extension Duration {
    /// The monotonic clock, as ``WorkerStats/busy(at:)`` takes it.
    package static var onMonotonicClock: Duration { .nanoseconds(Int64(clamping: iocp_monotonic_ns())) }
}

#if Command
/// What one worker measured, or several together.
struct LoadResult: Sendable {
    /// On the monotonic clock.
    var began: UInt64 = 0
    var ended: UInt64 = 0
    /// Of each message: an echo, a cycle of a churn, a delivery of a fan-out.
    var latency = LoadLatency()
    /// What a mode measures besides: how late messages of a rate left, the connects of a churn, and how long a frame
    /// of a fan-out took to its last subscriber.
    var besides = LoadLatency()
    /// Messages, cycles or deliveries that were still due when the load gave up waiting for them.
    var unanswered = 0

    var messages: Int { latency.count }
    var seconds: Double { Double(ended - began) / 1e9 }

    /// Adds what another worker measured at the same time.
    static func += (left: inout LoadResult, right: LoadResult) {
        left.began = left.began == 0 ? right.began : min(left.began, right.began)
        left.ended = max(left.ended, right.ended)
        left.latency += right.latency
        left.besides += right.besides
        left.unanswered += right.unanswered
    }
}
#endif

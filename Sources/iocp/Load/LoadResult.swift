#if Command
import IOCP

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
    /// What the load and its server took meanwhile.
    var cpu = LoadCPU()

    init() {}

    /// Of a worker that measures from now on.
    init(_ plan: LoadPlan, beganOn worker: Worker) {
        began = MonotonicClock.nanoseconds()
        if worker.index == 0 { cpu = .now(plan) }
    }

    /// What comes later is not measured.
    mutating func end(_ plan: LoadPlan, on worker: Worker) {
        ended = MonotonicClock.nanoseconds()
        if worker.index == 0 { cpu = .now(plan) - cpu }
    }

    var messages: Int { latency.count }
    var seconds: Double { Double(ended - began) / 1e9 }

    /// Adds what another worker measured at the same time.
    static func += (left: inout LoadResult, right: LoadResult) {
        left.began = left.began == 0 ? right.began : min(left.began, right.began)
        left.ended = max(left.ended, right.ended)
        left.latency += right.latency
        left.besides += right.besides
        left.unanswered += right.unanswered
        left.cpu += right.cpu
    }

    /// Adds what was measured later: the time in between counts for neither.
    mutating func append(_ later: LoadResult) {
        if ended == 0 { began = later.began }
        ended = max(ended, began) + later.ended - later.began
        latency += later.latency
        besides += later.besides
        unanswered += later.unanswered
        cpu += later.cpu
    }
}
#endif

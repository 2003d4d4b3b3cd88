import Histogram

/// What one worker measured, or several together.
struct LoadResult: Sendable {
    private(set) var messages = 0
    /// On the monotonic clock.
    var began: UInt64 = 0
    var ended: UInt64 = 0
    private var latency = Histogram<UInt64>(
        highestTrackableValue: LoadResult.latencyMax, numberOfSignificantValueDigits: .three)

    /// Longer than any run.
    private static let latencyMax: UInt64 = 2 * 3_600 * 1_000_000_000

    mutating func record(_ latencyNanoseconds: UInt64) {
        messages += 1
        latency.record(min(latencyNanoseconds, LoadResult.latencyMax))
    }

    /// Adds what another worker measured at the same time.
    static func += (left: inout LoadResult, right: LoadResult) {
        left.began = left.began == 0 ? right.began : min(left.began, right.began)
        left.ended = max(left.ended, right.ended)
        left.messages += right.messages
        left.latency.add(right.latency)
    }

    var seconds: Double { Double(ended - began) / 1e9 }

    /// In nanoseconds, to three significant digits; 0 when nothing was measured.
    func percentile(_ percentile: Double) -> UInt64 {
        messages == 0 ? 0 : min(latency.valueAtPercentile(percentile), latencyLongest)
    }

    var latencyLongest: UInt64 { messages == 0 ? 0 : latency.maxRecorded }
}

#if Command
import Histogram

/// Times of one kind, to three significant digits.
struct LoadLatency: Sendable {
    private(set) var count = 0
    private var histogram = Histogram<UInt64>(
        highestTrackableValue: LoadLatency.longestTracked, numberOfSignificantValueDigits: .three)

    /// Longer than any run.
    private static let longestTracked: UInt64 = 2 * 3_600 * 1_000_000_000

    mutating func record(_ nanoseconds: UInt64) {
        count += 1
        histogram.record(min(nanoseconds, LoadLatency.longestTracked))
    }

    static func += (left: inout LoadLatency, right: LoadLatency) {
        left.count += right.count
        left.histogram.add(right.histogram)
    }

    /// In nanoseconds; 0 when nothing was recorded.
    func percentile(_ percentile: Double) -> UInt64 {
        count == 0 ? 0 : min(histogram.valueAtPercentile(percentile), longest)
    }

    var longest: UInt64 { count == 0 ? 0 : histogram.maxRecorded }

    /// "p50 85.3 µs, p99 1.20 ms, p99.9 3.10 ms, max 4.00 ms".
    var description: String {
        let percentiles: [(String, UInt64)] = [
            ("p50", percentile(50)), ("p99", percentile(99)), ("p99.9", percentile(99.9)), ("max", longest),
        ]
        return percentiles.map { "\($0) \(Figure.nanoseconds($1))" }.joined(separator: ", ")
    }
}

extension LoadLatency {
    /// Pairs of a percentile and its latency in microseconds, the closer together the nearer to 100; none when nothing
    /// was recorded.
    var distribution: [[Double]] {
        guard count > 0 else { return [] }
        var percentiles: [Double] = [1, 5, 10, 20, 30, 40, 50, 60, 70, 80]
        var rest = 10.0
        // Beyond one in `count` there is nothing to tell.
        while rest > 100 / Double(count), rest > 0.000_5 {
            percentiles += [100 - rest, 100 - rest / 2, 100 - rest / 4]
            rest /= 10
        }
        return (percentiles + [100]).map { [$0, Double(percentile($0)) / 1_000] }
    }

    /// In microseconds, for JSON.
    struct Document: Encodable {
        let p50, p99, p999, max: Double
    }

    var document: Document {
        func microseconds(_ nanoseconds: UInt64) -> Double { Double(nanoseconds) / 1_000 }
        return Document(
            p50: microseconds(percentile(50)), p99: microseconds(percentile(99)),
            p999: microseconds(percentile(99.9)), max: microseconds(longest))
    }
}
#endif

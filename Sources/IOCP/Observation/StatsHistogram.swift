import CIOCP

/// How often a value was in each range of powers of two, from the start of the port. A value, to be used on any thread.
///
/// Keeping it costs a worker two stores for each value. What it tells of a value is so coarse: a percentile is known to lie below
/// ``percentile(_:)`` and above half of that.
public struct StatsHistogram: Hashable, Sendable {
    /// This build's, in the order of the table, without values.
    public static let all: [StatsHistogram] = (0..<IOCP_STATS_HISTOGRAM_COUNT.rawValue).map { index in
        // There is a row for each index of the table.
        unsafe StatsHistogram(iocp_stats_histogram_at(index).pointee)
    }

    /// 1 to 31 lower-case letters, digits and '_'; the unit comes last in it.
    public let name: String
    /// What its values are numbers of.
    public let unit: StatsField.Unit
    /// One sentence; empty for one that only another build has.
    public let summary: String
    /// How many values were 0, were 1, were 2 to 3, 4 to 7, and so on. The last counts all that were larger, too.
    public private(set) var buckets: [UInt64]
    /// Of all values. It wraps.
    public private(set) var sum: UInt64

    /// A histogram without values.
    /// - Parameter row: its strings are copied.
    init(_ row: iocp_stats_field) {
        let field = unsafe StatsField(row, index: nil)
        (name, unit, summary) = (field.name, field.unit, field.summary)
        (sum, buckets) = (0, [UInt64](repeating: 0, count: Int(IOCP_STATS_BUCKETS)))
    }

    /// The same histogram with values.
    func with(_ raw: iocp_stats_histogram) -> StatsHistogram {
        var filled = self
        filled.sum = raw.sum
        filled.buckets = unsafe withUnsafeBytes(of: raw.buckets) { unsafe Array($0.bindMemory(to: UInt64.self)) }
        return filled
    }

    /// How many values there were.
    public var count: UInt64 { buckets.reduce(0, &+) }

    /// The largest value that a bucket counts; nil for the last, which has no bound.
    public func upperBound(ofBucket index: Int) -> UInt64? {
        index < buckets.count - 1 ? (1 as UInt64) << index - 1 : nil
    }

    /// What at least that share of the values did not exceed; nil without values, and where the last bucket has it.
    /// - Parameter share: 0 to 1, as 0.99.
    public func percentile(_ share: Double) -> UInt64? {
        precondition((0...1).contains(share), "a share of the values is 0 to 1")
        let total = count
        guard total > 0 else { return nil }
        let wanted = Double(total) * share
        var seen: UInt64 = 0
        for (index, bucket) in buckets.enumerated() {
            seen &+= bucket
            if bucket > 0, Double(seen) >= wanted { return upperBound(ofBucket: index) }
        }
        return nil
    }

    /// Adds another's values. Sums that do not fit wrap: the numbers may be whatever another process wrote into its page.
    public static func += (left: inout StatsHistogram, right: StatsHistogram) {
        left.sum &+= right.sum
        for (index, count) in right.buckets.enumerated() where index < left.buckets.count { left.buckets[index] &+= count }
    }

    /// The values since an earlier reading of the same histogram.
    public static func - (left: StatsHistogram, right: StatsHistogram) -> StatsHistogram {
        var difference = left
        difference.sum &-= right.sum
        for (index, count) in right.buckets.enumerated() where index < left.buckets.count {
            difference.buckets[index] = left.buckets[index] > count ? left.buckets[index] - count : 0
        }
        return difference
    }
}

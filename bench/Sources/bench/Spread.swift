/// A figure of several slices, or the ratio of several pairs: its median and quartiles.
struct Spread: Codable {
    var count: Int
    var median: Double
    var lower: Double
    var upper: Double

    /// `nil` where there is nothing to speak of.
    init?(of values: [Double]) {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        count = sorted.count
        median = Self.quantile(0.5, of: sorted)
        lower = Self.quantile(0.25, of: sorted)
        upper = Self.quantile(0.75, of: sorted)
    }

    /// Of the ratios of single pairs, iocp over the other.
    ///
    /// The two of a pair ran next to each other, so what disturbed the machine for longer touched both, and much of it falls
    /// out; in the ratio of two medians it would not.
    init?(ofRatios figure: KeyPath<Slice, Double>, in pairs: [Slice.Pair]) {
        // Nothing is so many times 0.
        self.init(
            of: pairs.compactMap { pair in
                let divisor = pair.other[keyPath: figure]
                return divisor > 0 ? pair.subject[keyPath: figure] / divisor : nil
            })
    }

    /// Of a ratio: whether a difference is only noise, since a quarter of the pairs say the opposite.
    var saysNothing: Bool { lower <= 1 && upper >= 1 }

    /// Between two values it lies on the line that joins them.
    private static func quantile(_ share: Double, of sorted: [Double]) -> Double {
        let place = share * Double(sorted.count - 1)
        let below = Int(place)
        guard below + 1 < sorted.count else { return sorted[below] }
        return sorted[below] + (sorted[below + 1] - sorted[below]) * (place - Double(below))
    }
}

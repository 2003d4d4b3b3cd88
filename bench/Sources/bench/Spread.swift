/// A figure of several rounds.
struct Spread: Codable {
    var rounds: Int
    var median: Double
    var lowest: Double
    var highest: Double

    /// `nil` where there is nothing to speak of.
    init?(of values: [Double]) {
        guard let lowest = values.min(), let highest = values.max() else { return nil }
        rounds = values.count
        median = Measurement.median(values)
        self.lowest = lowest
        self.highest = highest
    }

    /// Of the ratios of single rounds in which both succeeded. Keys are rounds.
    ///
    /// The two ran close to each other in time within a round, so what disturbed the machine for a while touched both,
    /// and much of it falls out; in the ratio of two medians it would not.
    init?(
        of figure: KeyPath<Measurement, Double>, in subject: [Int: Measurement], over other: [Int: Measurement]
    ) {
        self.init(
            of: subject.keys.sorted().compactMap { round in
                // Nothing is so many times 0.
                guard let divisor = other[round]?[keyPath: figure], divisor > 0 else { return nil }
                return subject[round]![keyPath: figure] / divisor
            })
    }
}

/// The contender that the bench is about, over another one: below 1 it is cheaper, faster to answer, or has less
/// throughput.
///
/// Each figure is the median of the ratios of single rounds. The two ran close to each other in time within a round,
/// so what disturbed the machine for a while touched both, and much of it falls out; in the ratio of two medians it
/// would not.
struct Ratios: Codable {
    /// Rounds in which both succeeded.
    var rounds: Int
    var throughput: Double?
    var cpu: Double?
    var cpuLowest: Double?
    var cpuHighest: Double?
    var latencyP50: Double?
    var latencyP99: Double?
    var latencyP999: Double?

    /// `nil` when there is no round in which both succeeded. Keys are rounds.
    init?(of subject: [Int: Measurement], over other: [Int: Measurement]) {
        let pairs = subject.keys.sorted().compactMap { round in
            other[round].map { (subject[round]!, $0) }
        }
        guard !pairs.isEmpty else { return nil }
        func ratios(_ figure: KeyPath<Measurement, Double>) -> [Double] {
            // Nothing is so many times 0.
            pairs.filter { $1[keyPath: figure] > 0 }
                .map { $0[keyPath: figure] / $1[keyPath: figure] }
        }
        func median(_ figure: KeyPath<Measurement, Double>) -> Double? {
            let all = ratios(figure)
            return all.isEmpty ? nil : Measurement.median(all)
        }
        rounds = pairs.count
        throughput = median(\.messagesPerSecond)
        cpu = median(\.serverCPUMicrosecondsPerMessage)
        cpuLowest = ratios(\.serverCPUMicrosecondsPerMessage).min()
        cpuHighest = ratios(\.serverCPUMicrosecondsPerMessage).max()
        latencyP50 = median(\.latencyP50Microseconds)
        latencyP99 = median(\.latencyP99Microseconds)
        latencyP999 = median(\.latencyP999Microseconds)
    }
}

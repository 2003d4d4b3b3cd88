/// The contender that the bench is about, over another one: below 1 it is cheaper, faster to answer, or has less
/// throughput. Each figure is the median of the ratios of single rounds.
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
        rounds = subject.keys.count { other[$0] != nil }
        guard rounds > 0 else { return nil }
        func spread(_ figure: KeyPath<Measurement, Double>) -> Spread? {
            Spread(of: figure, in: subject, over: other)
        }
        let cpu = spread(\.serverCPUMicrosecondsPerMessage)
        self.cpu = cpu?.median
        cpuLowest = cpu?.lowest
        cpuHighest = cpu?.highest
        throughput = spread(\.messagesPerSecond)?.median
        latencyP50 = spread(\.latencyP50Microseconds)?.median
        latencyP99 = spread(\.latencyP99Microseconds)?.median
        latencyP999 = spread(\.latencyP999Microseconds)?.median
    }
}

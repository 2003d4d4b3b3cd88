/// The contender that the bench is about, over another one: below 1 it is cheaper, faster to answer, or has less
/// throughput. Each figure is of the ratios of neighbouring slices.
struct Ratios: Codable {
    var throughput: Spread
    var cpu: Spread
    var latencyP50: Spread
    var latencyP99: Spread
    var latencyP999: Spread

    /// `nil` when there is no pair.
    init?(_ pairs: [Slice.Pair]) {
        guard let throughput = Spread(ofRatios: \.messagesPerSecond, in: pairs),
            let cpu = Spread(ofRatios: \.serverCPUMicrosecondsPerMessage, in: pairs),
            let latencyP50 = Spread(ofRatios: \.latencyP50Microseconds, in: pairs),
            let latencyP99 = Spread(ofRatios: \.latencyP99Microseconds, in: pairs),
            let latencyP999 = Spread(ofRatios: \.latencyP999Microseconds, in: pairs)
        else { return nil }
        (self.throughput, self.cpu) = (throughput, cpu)
        (self.latencyP50, self.latencyP99, self.latencyP999) = (latencyP50, latencyP99, latencyP999)
    }
}

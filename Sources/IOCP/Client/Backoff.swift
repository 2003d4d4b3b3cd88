/// How long to wait before trying again: twice as long after each failure, and by chance a little less, so that a thousand
/// clients of a server that comes back do not all come at once.
public struct Backoff: Hashable, Sendable {
    /// After the first failure: at least 1 ms.
    public var initial: Duration
    /// However many failures there were: at least ``initial``.
    public var maximum: Duration

    /// - Parameters: bounds that are out of order are taken as the nearest that are not.
    public init(initial: Duration = .milliseconds(100), maximum: Duration = .seconds(10)) {
        self.initial = max(initial, .milliseconds(1))
        self.maximum = max(maximum, self.initial)
    }

    /// Between half of the full delay and the whole of it, evenly.
    /// - Parameter failures: in a row, from 1.
    public func delay(
        afterFailures failures: Int, using random: inout some RandomNumberGenerator
    ) -> Duration {
        // 2^20 times the least initial delay is more than any sensible maximum.
        let doublings = min(max(failures, 1) - 1, 20)
        let whole = min(initial * (1 << doublings), maximum)
        return whole / 2 + whole / 2 * Double.random(in: 0...1, using: &random)
    }

    /// As ``delay(afterFailures:using:)``, by the system's random numbers.
    /// - Parameter failures: in a row, from 1; fewer count as 1.
    public func delay(afterFailures failures: Int) -> Duration {
        var random = SystemRandomNumberGenerator()
        return delay(afterFailures: failures, using: &random)
    }
}

#if Command
/// When each message of an open loop is to leave: evenly spaced, or in rounds, dealt out to the active connections in turn.
///
/// The schedule never waits for an answer. A message's latency counts from its time here, so what a stall of the
/// server, or of the load itself, holds back shows with all the time it was held back.
struct LoadSchedule {
    private let perSecond: UInt64
    private let active: Int
    /// All messages of that many nanoseconds leave at once, as they begin.
    private let round: UInt64

    /// On the monotonic clock.
    var began: UInt64 = 0

    init(perSecond: Int, active: Int, roundNanoseconds: UInt64 = 1) {
        (self.perSecond, self.active, round) = (UInt64(perSecond), active, roundNanoseconds)
    }

    /// The time of a connection's message, both counted from 0.
    func time(ofMessage message: Int, onConnection number: Int) -> UInt64 {
        let place = UInt64(message) * UInt64(active) + UInt64(number)
        // In two steps: nanoseconds of the whole place would overflow in a long run.
        let even = place / perSecond * 1_000_000_000 + place % perSecond * 1_000_000_000 / perSecond
        return began + even / round * round
    }
}
#endif

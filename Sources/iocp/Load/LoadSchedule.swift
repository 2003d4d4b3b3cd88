#if Command
/// When each message of an open loop is to leave: evenly spaced, dealt out to the active connections in turn.
///
/// The schedule never waits for an answer. A message's latency counts from its time here, so what a stall of the
/// server, or of the load itself, holds back shows with all the time it was held back.
struct LoadSchedule {
    private let perSecond: UInt64
    private let active: Int

    /// On the monotonic clock.
    var began: UInt64 = 0

    init(perSecond: Int, active: Int) {
        (self.perSecond, self.active) = (UInt64(perSecond), active)
    }

    /// The time of a connection's message, both counted from 0.
    func time(ofMessage message: Int, onConnection number: Int) -> UInt64 {
        let place = UInt64(message) * UInt64(active) + UInt64(number)
        // In two steps: nanoseconds of the whole place would overflow in a long run.
        return began + place / perSecond * 1_000_000_000 + place % perSecond * 1_000_000_000 / perSecond
    }
}
#endif

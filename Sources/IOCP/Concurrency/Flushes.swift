/// The flushes of one connection: each asks for a `sent` event, and these come in order.
final class Flushes {
    private let place: Await
    private var asked: UInt64 = 0
    private var ended: UInt64 = 0

    init(_ place: Await) {
        self.place = place
    }

    nonisolated(nonsending) func wait(until deadline: Await.Until) async throws(IOCPError) {
        asked += 1
        let own = asked
        while ended < own {
            try place.begin(until: deadline)
            try await place.ended()
        }
    }

    /// Whether a body waits for an answer that has come.
    var isOverdue: Bool { place.isWaiting && asked == ended }

    /// Whether answers are still to come.
    var isUnanswered: Bool { asked > ended }

    /// Whether a body waits.
    var isWaiting: Bool { place.isWaiting }

    /// Nobody waits any more; answers may still come.
    func end(_ error: IOCPError) { place.end(error) }

    func answered(_ error: IOCPError?) {
        ended += 1
        place.end(error)
    }
}

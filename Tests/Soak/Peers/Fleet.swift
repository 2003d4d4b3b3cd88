#if Command
import SoakSystem

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Many connections that say nothing, ended or replaced all at once, on a thread of its own beside a crowd's.
///
/// That thread stands back behind the one that measures: a crowd would otherwise wait for the load, not for the server.
final class Fleet: @unchecked Sendable {
    // @unchecked: used by one thread at a time; starting and joining that thread orders them.
    private var peers: [Peer]

    init(port: Int, count: Int) throws {
        peers = try (0..<count).map { try Peer(port: port, number: $0) }
    }

    /// Closes every connection, with RST where `resetting`.
    func end(resetting: Bool) throws {
        guard soak_stand_back() == 0 else { throw Failure("the thread cannot stand back") }
        if resetting { for peer in peers { try peer.resetsOnClose() } }
        peers = []
    }

    /// Resets every connection at once, then connects as many anew, evenly over a time.
    func reconnect(port: Int, within time: Duration) throws {
        let count = peers.count
        let start = monotonicNanoseconds()
        let step = time.seconds * 1e9 / Double(count)
        try end(resetting: true)
        for index in 0..<count {
            let due = start + UInt64(step * Double(index))
            while monotonicNanoseconds() < due { usleep(500) }
            peers.append(try Peer(port: port, number: index))
        }
    }

    /// Every connection sends its first message and gets it back. Returns how many did not.
    func unserved(within limit: Duration) throws -> Int {
        for peer in peers { try peer.resetsOnClose() }
        let crowd = try Crowd(peers)
        peers = []
        _ = try crowd.ask(within: limit)
        return crowd.owed + crowd.lost
    }
}
#endif

import CIOCP
import Synchronization

/// What is known of a listener, whatever became of it.
struct KnownListener: Sendable {
    let id: iocp_listener_id
    let endpoints: [Endpoint]
}

/// The listeners of a port by their short names, which is all that a connection keeps of its own: 65,535 at most, as a name
/// that comes back replaces what is closed.
final class KnownListeners: Sendable {
    private let byName = Mutex<[UInt16: KnownListener]>([:])

    /// The lock is held while `listen` runs: a client may open before it returns, and its handler may ask for the listener.
    func add(_ listen: () throws(IOCPError) -> KnownListener) throws(IOCPError) -> KnownListener {
        try byName.withLock { known throws(IOCPError) in
            let listener = try listen()
            known[iocp_listener_short(listener.id)] = listener
            return listener
        }
    }

    subscript(name: UInt16) -> KnownListener? {
        byName.withLock { $0[name] }
    }
}

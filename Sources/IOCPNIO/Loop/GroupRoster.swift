#if NIO
import IOCP
import NIOCore
import Synchronization

/// Which channel listens for which listener of a port: what the loops of a group have in common.
final class GroupRoster: Sendable {
    let port: CompletionPort
    private let servers = Mutex<[Listener.ID: ServerChannel]>([:])

    init(_ port: CompletionPort) { self.port = port }

    func server(of listener: Listener.ID) -> ServerChannel? { servers.withLock { $0[listener] } }

    /// Listens, and enters the channel before any loop can ask for it: the first client may come before `listen` returns.
    func listen<Failure: Error>(
        for server: ServerChannel, _ listen: () throws(Failure) -> Listener
    ) throws(Failure) -> Listener {
        let result = servers.withLock { servers -> Result<Listener, Failure> in
            do throws(Failure) {
                let listener = try listen()
                servers[listener.id] = server
                return .success(listener)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    func forget(_ listener: Listener) { servers.withLock { $0[listener.id] = nil } }
}
#endif

#if NIO
import Glibc
import IOCP
import NIOCore
import Synchronization

/// What a loop has on its own thread: its worker, and the channels of the worker's connections.
final class LoopState {
    let group: GroupRoster
    /// nil once the loop is over, when the port's memory may go.
    private(set) var worker: Worker?
    /// Kept by a loop that has ended, so that nothing is a leak.
    var succeeded: EventLoopFuture<Void>?
    private let over = Atomic(false)
    let afterEnd = AfterEnd()
    /// The channels of this worker's connections, by slot.
    private var channels: ContiguousArray<StreamChannel?> = []
    /// Those that connect have a key until their connection has a name, and those that listen have no connection.
    private(set) var servers: [ObjectIdentifier: ServerChannel] = [:]
    var buffers = ReceivedBuffers()
    /// Channels that asked for a turn of their own after the completions in hand.
    private var served: [StreamChannel] = []

    /// The loop's thread serves nothing any more. For any thread.
    var isOver: Bool { over.load(ordering: .acquiring) }

    init(_ worker: Worker, _ group: GroupRoster) {
        (self.worker, self.group) = (worker, group)
    }

    // MARK: - Channels

    func channel(of connection: Connection) -> StreamChannel? {
        let slot = connection.slot
        guard slot < channels.count, let channel = channels[slot] else { return nil }
        return channel.connection == connection ? channel : nil
    }

    func enter(_ channel: StreamChannel, as connection: Connection) {
        while channels.count <= connection.slot { channels.append(nil) }
        channels[connection.slot] = channel
    }

    /// The connection's last completion came.
    func leave(_ connection: Connection) {
        guard channel(of: connection) != nil else { return }
        channels[connection.slot] = nil
    }

    func enter(_ server: ServerChannel) { servers[ObjectIdentifier(server)] = server }

    func leave(_ server: ServerChannel) { servers[ObjectIdentifier(server)] = nil }

    func forEachChannel(_ body: (StreamChannel) -> Void) {
        for place in channels.indices {
            if let channel = channels[place] { body(channel) }
        }
    }

    // MARK: - Turns

    /// The channel's `serve()` is called after the completions in hand, before tasks run.
    func serveSoon(_ channel: StreamChannel) { served.append(channel) }

    var hasServices: Bool { !served.isEmpty }

    func serveAll() {
        // Those that ask again meanwhile wait for the next turn.
        let now = served
        served.removeAll(keepingCapacity: true)
        for channel in now { channel.serve() }
    }

    /// The loop's last act on its thread.
    func end() {
        worker = nil
        channels = []
        servers = [:]
        succeeded = nil
        over.store(true, ordering: .releasing)
        afterEnd.begin()
    }

    static func complain(_ sentence: String) {
        let line = "IOCPNIO: \(sentence)\n"
        _ = unsafe line.withCString { unsafe write(STDERR_FILENO, $0, strlen($0)) }
    }
}
#endif

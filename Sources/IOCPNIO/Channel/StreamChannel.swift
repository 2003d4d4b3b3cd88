#if NIO
import Glibc
import IOCP
import NIOCore
import Synchronization

/// A connection of a worker as NIO's `Channel`.
///
/// Its parts: `StreamLife` (registration, activation, closing), `StreamReads`, `StreamWrites`, `StreamOptions`.
final class StreamChannel: LoopChannel, @unchecked Sendable {
    // @unchecked: everything that changes is the loop's thread's, but for what is atomic or locked.
    let loop: IOCPEventLoop
    let parent: (any Channel)?
    let closePromise: EventLoopPromise<Void>
    private let writability = Atomic(true)
    private let activity = Atomic(false)
    private let shared = Mutex(Shared())
    private var madePipeline: ChannelPipeline!

    /// The connection's name on its worker; nil before a connect, and harmless when it has closed.
    var connection: Connection?
    var life = ChannelLife.fresh
    var connecting = Connecting()
    var reads = Reads()
    var writes = Writes()
    var settings = Settings()

    /// What other threads may read.
    private struct Shared {
        var local: NIOAddress?
        var remote: NIOAddress?
        var allocator = ByteBufferAllocator()
    }

    /// A client's connection: open already, and not active before the server's pipeline has seen it.
    convenience init(on loop: IOCPEventLoop, accepted connection: Connection, by server: ServerChannel) {
        self.init(on: loop, parent: server)
        self.connection = connection
        findAddresses(connection, listener: server.boundEndpoints)
    }

    init(on loop: IOCPEventLoop, parent: (any Channel)? = nil) {
        (self.loop, self.parent) = (loop, parent)
        closePromise = loop.makePromise()
        madePipeline = ChannelPipeline(channel: self)
    }

    // MARK: - Channel, for any thread

    var pipeline: ChannelPipeline { madePipeline }
    var closeFuture: EventLoopFuture<Void> { closePromise.futureResult }
    var isActive: Bool { activity.load(ordering: .relaxed) }
    var isWritable: Bool { writability.load(ordering: .relaxed) }
    var localAddress: NIOAddress? { shared.withLock { $0.local } }
    var remoteAddress: NIOAddress? { shared.withLock { $0.remote } }

    var allocator: ByteBufferAllocator {
        get { shared.withLock { $0.allocator } }
        set { shared.withLock { $0.allocator = newValue } }
    }

    // MARK: - The loop's thread

    var worker: Worker? { loop.state.worker }

    func setActive(_ isActive: Bool) { activity.store(isActive, ordering: .relaxed) }

    func setWritable(_ isWritable: Bool) { writability.store(isWritable, ordering: .relaxed) }

    /// Asks the kernel for what the listener does not say. A connection that is gone already has none.
    func findAddresses(_ connection: Connection, listener: [Endpoint]) {
        guard let worker else { return }
        let remote = try? worker.peerAddress(of: connection).asNIO
        var local: NIOAddress?
        if listener.count == 1, case .unix = listener[0] {
            local = listener[0].asNIO
        } else if listener.count == 1, case .tcp(let address) = listener[0], !address.isWildcard {
            local = address.asNIO
        } else {
            local = try? worker.localAddress(of: connection).asNIO
        }
        shared.withLock { ($0.local, $0.remote) = (local, remote) }
    }

    func setAddresses(local: NIOAddress?, remote: NIOAddress?) {
        shared.withLock { ($0.local, $0.remote) = (local, remote) }
    }

    func localAddress0() throws -> NIOAddress {
        guard life != .closed else { throw ChannelError.ioOnClosedChannel }
        guard let address = localAddress else { throw ChannelError.unknownLocalAddress }
        return address
    }

    func remoteAddress0() throws -> NIOAddress {
        guard life != .closed else { throw ChannelError.ioOnClosedChannel }
        guard let address = remoteAddress else { throw IOError(errnoCode: ENOTCONN, reason: "the channel has no peer") }
        return address
    }

    /// What the worker says of this connection, but for bytes.
    func handle(_ event: Completion.Event, key: UInt64) {
        switch event {
        case .opened: connected()
        case .connectFailed(let error): connectFailed(error)
        case .peerFinished: peerFinished()
        case .sent(let error): wrote(error)
        case .unsentFell(let error): unsentFell(error)
        case .writable: resumeWriting()
        case .closed(let reason): connectionEnded(reason)
        case .received, .posted, .postedObject, .timer, .stopping: break
        }
    }

    /// A turn of its own, asked of the loop.
    func serve() {
        reads.hasTurn = false
        deliverHeld()
    }

    // MARK: - What is not this transport's

    func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    /// What no handler took goes.
    func channelRead0(_ data: NIOAny) {}

    func errorCaught0(error: any Error) {}

    func bind0(to address: NIOAddress, promise: EventLoopPromise<Void>?) {
        guard life != .closed else { return promise?.fail(ChannelError.ioOnClosedChannel) ?? () }
        guard connection == nil, !connecting.isUnderway else {
            return promise?.fail(ChannelError.inappropriateOperationForState) ?? ()
        }
        do {
            connecting.source = try Endpoint(address)
            promise?.succeed(())
        } catch {
            promise?.fail(error)
        }
    }
}

extension StreamChannel: CustomStringConvertible {
    var description: String {
        "IOCPNIO.StreamChannel(\(localAddress.map(String.init(describing:)) ?? "-") to \(remoteAddress.map(String.init(describing:)) ?? "-"))"
    }
}
#endif

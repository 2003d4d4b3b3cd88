#if NIO
import Glibc
import IOCP
import NIOCore
import Synchronization

/// A listener of a group's port as NIO's `Channel`. Every loop of the group accepts from it, each client on the loop that the
/// kernel chose; the clients' channels pass through this channel's pipeline, on its own loop, before they are active.
final class ServerChannel: LoopChannel, @unchecked Sendable {
    // @unchecked: everything that changes is the loop's thread's, but for what is atomic or locked.
    let loop: IOCPEventLoop
    /// Whose loops accept.
    private let children: GroupRoster
    private let closePromise: EventLoopPromise<Void>
    private let activity = Atomic(false)
    private let shared = Mutex(Shared())
    private var madePipeline: ChannelPipeline!
    var life = ChannelLife.fresh
    private var listener: Listener?
    private var options = ListenOptions()
    private var numbers: [ServerOption: Int] = [:]
    private var isAsked = false
    private var isAutomatic = true
    private var isPaused = false
    /// Clients that came while none were asked for.
    private var held = CircularBuffer<StreamChannel>()

    private struct Shared {
        var endpoints: [Endpoint] = []
        var allocator = ByteBufferAllocator()
    }

    /// The kernel's own times (tcp(7)).
    private static let keepAlive = ListenOptions.KeepAlive(idle: .seconds(7_200), interval: .seconds(75), count: 9)

    private struct ServerOption: Hashable {
        let level, name: Int32
    }

    init(on loop: IOCPEventLoop, accepting children: GroupRoster) {
        (self.loop, self.children) = (loop, children)
        closePromise = loop.makePromise()
        madePipeline = ChannelPipeline(channel: self)
    }

    var pipeline: ChannelPipeline { madePipeline }
    var closeFuture: EventLoopFuture<Void> { closePromise.futureResult }
    var parent: (any Channel)? { nil }
    var isActive: Bool { activity.load(ordering: .relaxed) }
    var isWritable: Bool { false }
    var remoteAddress: NIOAddress? { nil }
    var localAddress: NIOAddress? { boundEndpoints.first?.asNIO }
    var allocator: ByteBufferAllocator { shared.withLock { $0.allocator } }
    /// What it listens on; empty before and after.
    var boundEndpoints: [Endpoint] { shared.withLock { $0.endpoints } }

    // MARK: - Life

    func register0(promise: EventLoopPromise<Void>?) { register(promise) { loop.state.enter(self) } }

    func bind0(to address: NIOAddress, promise: EventLoopPromise<Void>?) {
        listen(promise) { [children, options] in try children.port.listen(on: try Endpoint(address), options: options) }
    }

    /// Listens on a socket that was bound elsewhere, which stays its owner's.
    func listen(onDescriptor descriptor: CInt, promise: EventLoopPromise<Void>?) {
        listen(promise) { [children, options] in try children.port.listen(onDescriptor: descriptor, options: options) }
    }

    private func listen(_ promise: EventLoopPromise<Void>?, _ listen: () throws -> Listener) {
        guard life == .registered else {
            let error = life == .closed ? ChannelError.ioOnClosedChannel : .inappropriateOperationForState
            return promise?.fail(error) ?? ()
        }
        do {
            let listener = try children.listen(for: self, listen)
            self.listener = listener
            shared.withLock { $0.endpoints = listener.endpoints }
            life = .activating
            activity.store(true, ordering: .relaxed)
            promise?.succeed(())
            guard life == .activating else { return }
            life = .active
            pipeline.syncOperations.fireChannelActive()
            if life == .active { readIfNeeded() }
            if life == .active, !isAsked { pause() }
        } catch {
            promise?.fail((error as? IOCPError)?.asNIO ?? error)
        }
    }

    func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard life != .closed else { return promise?.fail(ChannelError.alreadyClosed) ?? () }
        guard mode == .all else { return promise?.fail(ChannelError.operationUnsupported) ?? () }
        let before = life
        life = .closed
        activity.store(false, ordering: .relaxed)
        if let listener {
            listener.close()
            children.forget(listener)
        }
        loop.state.leave(self)
        while let channel = held.popFirst() { channel.close(promise: nil) }
        promise?.succeed(())
        if before == .active { pipeline.syncOperations.fireChannelInactive() }
        if before != .fresh { pipeline.syncOperations.fireChannelUnregistered() }
        loop.execute { [self] in
            removeHandlers(pipeline: pipeline)
            closePromise.succeed(())
            shared.withLock { $0.endpoints = [] }
        }
    }

    // MARK: - Clients

    /// On this channel's loop. A client of a channel that has closed goes with it.
    func accepted(_ channel: StreamChannel) {
        guard life == .active || life == .activating else { return channel.close(promise: nil) }
        held.append(channel)
        if isAsked { deliverHeld() }
    }

    private func deliverHeld() {
        isAsked = false
        while let channel = held.popFirst() { pipeline.syncOperations.fireChannelRead(NIOAny(channel as any Channel)) }
        pipeline.syncOperations.fireChannelReadComplete()
        guard life == .active else { return }
        readIfNeeded()
        if life == .active, !isAsked { pause() }
    }

    private func readIfNeeded() {
        if !isAsked, isAutomatic { pipeline.syncOperations.read() }
    }

    /// Nobody asks for clients: they wait in the backlog.
    private func pause() {
        guard !isPaused else { return }
        isPaused = true
        listener?.pause()
    }

    func read0() {
        guard life != .closed else { return }
        isAsked = true
        if isPaused {
            isPaused = false
            listener?.resume()
        }
        guard !held.isEmpty, life == .active else { return }
        loop.execute { [self] in if isAsked, life == .active, !held.isEmpty { deliverHeld() } }
    }

    /// A client went through the whole pipeline: it may begin.
    func channelRead0(_ data: NIOAny) {
        guard let channel = tryUnwrapData(data, as: (any Channel).self) as? StreamChannel else { return }
        channel.loop.execute {
            channel.register0(promise: nil)
            channel.becomeActive(nil)
        }
    }

    func errorCaught0(error: any Error) {}

    // MARK: - Options

    func set<Option: ChannelOption>(_ option: Option, to value: Option.Value) throws {
        guard life != .closed else { throw ChannelError.ioOnClosedChannel }
        switch option {
        case let option as ChannelOptions.Types.SocketOption:
            try setSocketOption(option.kernel, Int(value as! ChannelOptions.Types.SocketOption.Value))
        case is ChannelOptions.Types.BacklogOption: options.backlog = Int(value as! Int32)
        case is ChannelOptions.Types.AllocatorOption:
            let value = value as! ByteBufferAllocator
            shared.withLock { $0.allocator = value }
        case is ChannelOptions.Types.AutoReadOption:
            let was = isAutomatic
            isAutomatic = value as! Bool
            if isAutomatic, !was, life == .active { read0() }
        // Clients come one by one, each by its own loop.
        case is ChannelOptions.Types.MaxMessagesPerReadOption, is ChannelOptions.Types.RecvAllocatorOption: break
        default: throw ChannelError.operationUnsupported
        }
    }

    func value<Option: ChannelOption>(of option: Option) throws -> Option.Value {
        guard life != .closed else { throw ChannelError.ioOnClosedChannel }
        let value: Any
        switch option {
        case let option as ChannelOptions.Types.SocketOption:
            let (level, name) = option.kernel
            guard let number = numbers[ServerOption(level: level, name: name)] else {
                throw ChannelError.operationUnsupported
            }
            value = ChannelOptions.Types.SocketOption.Value(number)
        case is ChannelOptions.Types.BacklogOption: value = Int32(options.backlog ?? 4096)
        case is ChannelOptions.Types.AllocatorOption: value = allocator
        case is ChannelOptions.Types.AutoReadOption: value = isAutomatic
        default: throw ChannelError.operationUnsupported
        }
        return value as! Option.Value
    }

    /// Those of the kernel's options that a listener has here; they are in force from the bind on.
    private func setSocketOption(_ option: (level: Int32, name: Int32), _ value: Int) throws {
        guard listener == nil else { throw ChannelError.inappropriateOperationForState }
        switch option {
        case (SOL_SOCKET, SO_REUSEADDR), (SOL_SOCKET, SO_REUSEPORT): break  // every listener has both
        case (SOL_SOCKET, SO_SNDBUF): options.sendBufferBytes = value
        case (SOL_SOCKET, SO_RCVBUF): options.receiveBufferBytes = value
        case (SOL_SOCKET, SO_KEEPALIVE): options.keepAlive = value == 0 ? nil : Self.keepAlive
        case (Int32(IPPROTO_TCP), TCP_NODELAY): options.noDelay = value != 0
        case (Int32(IPPROTO_TCP), TCP_FASTOPEN): options.fastOpenQueue = value
        case (Int32(IPPROTO_TCP), TCP_DEFER_ACCEPT): options.deferAccept = .seconds(value)
        case (Int32(IPPROTO_IPV6), IPV6_V6ONLY): options.ipv6Only = value != 0
        default: throw ChannelError.operationUnsupported
        }
        numbers[ServerOption(level: option.level, name: option.name)] = value
    }

    // MARK: - What a listener does not do

    func localAddress0() throws -> NIOAddress {
        guard let address = localAddress else { throw ChannelError.unknownLocalAddress }
        return address
    }

    func remoteAddress0() throws -> NIOAddress { throw ChannelError.operationUnsupported }

    func connect0(to address: NIOAddress, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }

    func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) { promise?.fail(ChannelError.operationUnsupported) }

    func flush0() {}

    func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) {
        promise?.fail(ChannelError.operationUnsupported)
    }
}

extension ServerChannel: CustomStringConvertible {
    var description: String {
        "IOCPNIO.ServerChannel(\(boundEndpoints.map(\.description).joined(separator: ", ")))"
    }
}
#endif

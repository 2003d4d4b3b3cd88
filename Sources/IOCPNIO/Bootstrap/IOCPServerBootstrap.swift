#if NIO
import Glibc
import IOCP
public import NIOCore

/// Listens with an ``IOCPEventLoopGroup``, as NIO's `ServerBootstrap` does with its own: the same calls in the same order.
///
/// A client's channel runs on the loop that the kernel gave it to. It passes through the listener's pipeline as NIO's do, so
/// that handlers there see every client, before it is active.
///
/// ```swift
/// let server = try await IOCPServerBootstrap(group: group)
///     .childChannelInitializer { channel in channel.pipeline.addHandler(EchoHandler()) }
///     .bind(host: "127.0.0.1", port: 0).get()
/// ```
///
/// Thread: one at a time, as NIO's.
public final class IOCPServerBootstrap {
    /// Adds handlers to a channel, which is active when its future succeeds, and is closed when it fails.
    public typealias Initializer = @Sendable (any Channel) -> EventLoopFuture<Void>

    private let group: any EventLoopGroup
    private let children: any EventLoopGroup
    private var serverOptions = ChannelOptions.Storage()
    private var childOptions = ChannelOptions.Storage()
    private var serverInitializer: Initializer?
    private var childInitializer: Initializer?

    /// Traps where the group's loops are not this transport's; ``init(validatingGroup:childGroup:)`` asks first.
    public convenience init(group: any EventLoopGroup) { self.init(group: group, childGroup: group) }

    /// The listener's channel runs on the one group, the clients' on the other.
    public convenience init(group: any EventLoopGroup, childGroup: any EventLoopGroup) {
        precondition(
            Self.loop(of: group) != nil && Self.loop(of: childGroup) != nil,
            "IOCPServerBootstrap needs an IOCPEventLoopGroup or one of its loops, not \(group), \(childGroup)")
        self.init(checked: group, childGroup)
    }

    /// nil for groups whose loops are not this transport's.
    public convenience init?(validatingGroup group: any EventLoopGroup, childGroup: (any EventLoopGroup)? = nil) {
        guard Self.loop(of: group) != nil, Self.loop(of: childGroup ?? group) != nil else { return nil }
        self.init(checked: group, childGroup ?? group)
    }

    private init(checked group: any EventLoopGroup, _ children: any EventLoopGroup) {
        (self.group, self.children) = (group, children)
    }

    private static func loop(of group: any EventLoopGroup) -> IOCPEventLoop? { group.next() as? IOCPEventLoop }

    // MARK: - Settings

    /// Called before the listener is bound; for clients, see ``childChannelInitializer(_:)``.
    public func serverChannelInitializer(_ initializer: @escaping Initializer) -> Self {
        serverInitializer = initializer
        return self
    }

    /// Called for each client on its own loop, before it is active.
    public func childChannelInitializer(_ initializer: @escaping Initializer) -> Self {
        childInitializer = initializer
        return self
    }

    /// An option of the listener. `docs/NIO.md` lists them; another one makes `bind` fail with `operationUnsupported`.
    public func serverChannelOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> Self {
        serverOptions.append(key: option, value: value)
        return self
    }

    /// An option of each client.
    public func childChannelOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> Self {
        childOptions.append(key: option, value: value)
        return self
    }

    /// A bind ends at once: here for code that was written for NIO's own.
    public func bindTimeout(_ timeout: TimeAmount) -> Self { self }

    // MARK: - Binding

    /// Listens on the first address of a host. Resolving a name may block, as it does at NIO's own.
    public func bind(host: String, port: Int) -> EventLoopFuture<any Channel> {
        do {
            return bind(to: try NIOAddress.makeAddressResolvingHost(host, port: port))
        } catch {
            return group.next().makeFailedFuture(error)
        }
    }

    /// Listens on an address. The future fails if it cannot be bound; port 0 takes a free one, which `localAddress` tells.
    public func bind(to address: NIOCore.SocketAddress) -> EventLoopFuture<any Channel> {
        open { $0.bind0(to: address, promise: $1) }
    }

    /// Listens on a Unix socket. A path that nobody listens on any more is replaced.
    public func bind(
        unixDomainSocketPath path: String, cleanupExistingSocketFile: Bool = false
    ) -> EventLoopFuture<any Channel> {
        do {
            return bind(to: try NIOAddress(unixDomainSocketPath: path))
        } catch {
            return group.next().makeFailedFuture(error)
        }
    }

    /// Listens on a stream socket that another process has bound. The descriptor is taken over, and closed.
    public func withBoundSocket(_ socket: NIOBSDSocket.Handle) -> EventLoopFuture<any Channel> {
        open {
            $0.listen(onDescriptor: socket, promise: $1)
            close(socket)
        }
    }

    private func open(
        _ listen: @escaping @Sendable (ServerChannel, EventLoopPromise<Void>) -> Void
    ) -> EventLoopFuture<any Channel> {
        let (childOptions, childInitializer) = (childOptions, childInitializer)
        return open(listen) { server in
            try server.pipeline.syncOperations.addHandler(
                AcceptHandler(childOptions, childInitializer), name: "AcceptHandler")
            return server as any Channel
        }
    }

    /// Makes the listener's channel, sets it up, and binds it.
    private func open<Made: Sendable>(
        _ listen: @escaping @Sendable (ServerChannel, EventLoopPromise<Void>) -> Void,
        _ prepare: @escaping @Sendable (ServerChannel) throws -> Made
    ) -> EventLoopFuture<Made> {
        guard let loop = Self.loop(of: group), let children = Self.loop(of: children) else {
            return group.next().makeFailedFuture(EventLoopError.unsupportedOperation)
        }
        let (options, initializer) = (serverOptions, serverInitializer)
        return loop.flatSubmit {
            let server = ServerChannel(on: loop, accepting: children.state.group)
            return options.applyAllChannelOptions(to: server).flatMap {
                initializer?(server) ?? loop.makeSucceededVoidFuture()
            }.flatMapThrowing {
                try prepare(server)
            }.flatMap { made in
                server.register().flatMap {
                    let bound = loop.makePromise(of: Void.self)
                    listen(server, bound)
                    return bound.futureResult
                }.map { made }
            }.flatMapError { error in
                server.close0(error: error, mode: .all, promise: nil)
                return loop.makeFailedFuture(error)
            }
        }
    }

    // MARK: - Binding, async

    /// Listens, and gives the clients as a sequence: each as what its initializer made of its channel, say an
    /// `NIOAsyncChannel`.
    public func bind<Output: Sendable>(
        host: String, port: Int,
        serverBackPressureStrategy: NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark? = nil,
        childChannelInitializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
    ) async throws -> NIOAsyncChannel<Output, Never> {
        try await bind(
            to: try NIOAddress.makeAddressResolvingHost(host, port: port),
            serverBackPressureStrategy: serverBackPressureStrategy, childChannelInitializer: childChannelInitializer)
    }

    /// Listens on an address, and gives the clients as a sequence: each as what its initializer made of its channel.
    public func bind<Output: Sendable>(
        to address: NIOCore.SocketAddress,
        serverBackPressureStrategy: NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark? = nil,
        childChannelInitializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
    ) async throws -> NIOAsyncChannel<Output, Never> {
        try await openAsync(serverBackPressureStrategy, childChannelInitializer) { $0.bind0(to: address, promise: $1) }
    }

    /// Listens on a Unix socket, and gives the clients as a sequence: each as what its initializer made of its channel.
    public func bind<Output: Sendable>(
        unixDomainSocketPath path: String, cleanupExistingSocketFile: Bool = false,
        serverBackPressureStrategy: NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark? = nil,
        childChannelInitializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
    ) async throws -> NIOAsyncChannel<Output, Never> {
        try await bind(
            to: try NIOAddress(unixDomainSocketPath: path), serverBackPressureStrategy: serverBackPressureStrategy,
            childChannelInitializer: childChannelInitializer)
    }

    /// As ``withBoundSocket(_:)``.
    public func bind<Output: Sendable>(
        _ socket: NIOBSDSocket.Handle, cleanupExistingSocketFile: Bool = false,
        serverBackPressureStrategy: NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark? = nil,
        childChannelInitializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
    ) async throws -> NIOAsyncChannel<Output, Never> {
        try await openAsync(serverBackPressureStrategy, childChannelInitializer) {
            $0.listen(onDescriptor: socket, promise: $1)
            close(socket)
        }
    }

    private func openAsync<Output: Sendable>(
        _ strategy: NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark?,
        _ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>,
        _ listen: @escaping @Sendable (ServerChannel, EventLoopPromise<Void>) -> Void
    ) async throws -> NIOAsyncChannel<Output, Never> {
        let (childOptions, childInitializer) = (childOptions, childInitializer)
        return try await open(listen) { server in
            try server.pipeline.syncOperations.addHandler(
                AcceptHandler(childOptions, childInitializer), name: "AcceptHandler")
            return try NIOAsyncChannel<Output, Never>._wrapAsyncChannelWithTransformations(
                wrappingChannelSynchronously: server, backPressureStrategy: strategy
            ) { channel in
                channel.eventLoop.flatSubmit { initializer(channel) }
            }
        }.get()
    }
}
#endif

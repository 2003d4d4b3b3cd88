#if NIO
import Dispatch
import IOCP
public import NIOCore

/// Connects with an ``IOCPEventLoopGroup``, as NIO's `ClientBootstrap` does with its own.
///
/// A host's addresses are tried in the order of RFC 6724, both families by turns, a new one every 250 ms until one answers
/// (RFC 8305). Each try is a channel of its own, to which the initializer adds its handlers.
///
/// Thread: one at a time, as NIO's.
public final class IOCPClientBootstrap: NIOClientTCPBootstrapProtocol {
    /// Adds handlers to a channel; the connect goes on when its future succeeds, and fails with it.
    public typealias Initializer = @Sendable (any Channel) -> EventLoopFuture<Void>

    private let group: any EventLoopGroup
    private var options = ChannelOptions.Storage()
    private var initializer: Initializer?
    private var protocolHandlers: (@Sendable () -> [any ChannelHandler])?
    private var timeout: TimeAmount = .seconds(10)
    private var source: NIOAddress?

    /// Traps where the group's loops are not this transport's; ``init(validatingGroup:)`` asks first.
    public convenience init(group: any EventLoopGroup) {
        guard group.next() is IOCPEventLoop else {
            preconditionFailure("IOCPClientBootstrap needs an IOCPEventLoopGroup or one of its loops, not \(group)")
        }
        self.init(checked: group)
    }

    /// nil where the group's loops are not this transport's.
    public convenience init?(validatingGroup group: any EventLoopGroup) {
        guard group.next() is IOCPEventLoop else { return nil }
        self.init(checked: group)
    }

    private init(checked group: any EventLoopGroup) { self.group = group }

    // MARK: - Settings

    /// Called for each try, before it connects.
    public func channelInitializer(_ handler: @escaping Initializer) -> Self {
        initializer = handler
        return self
    }

    /// Handlers that stand before those of the initializer, as TLS.
    public func protocolHandlers(_ handlers: @escaping @Sendable () -> [any ChannelHandler]) -> Self {
        precondition(protocolHandlers == nil, "protocol handlers are set once")
        protocolHandlers = handlers
        return self
    }

    /// Sets an option of every try's channel, before the initializer is called. `docs/NIO.md` lists the options; any other fails
    /// the connect with `ChannelError.operationUnsupported`.
    public func channelOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> Self {
        options.append(key: option, value: value)
        return self
    }

    public func _applyChannelConvenienceOptions(_ options: inout ChannelOptions.TCPConvenienceOptions) -> Self {
        // An address that was left may be used again in any case.
        _ = options.consumeAllowLocalEndpointReuse()
        if options.consumeAllowRemoteHalfClosure().isSet { _ = channelOption(.allowRemoteHalfClosure, value: true) }
        if options.consumeDisableAutoRead().isSet { _ = channelOption(.autoRead, value: false) }
        return self
    }

    /// How long a connect may take, all tries together; 10 s at first.
    public func connectTimeout(_ timeout: TimeAmount) -> Self {
        self.timeout = timeout
        return self
    }

    /// The local address to connect from.
    public func bind(to address: NIOCore.SocketAddress) -> Self {
        source = address
        return self
    }

    // MARK: - Connecting

    /// Connects to a host, by every address that it has. The future fails with ``IOCPConnectionError`` if none answers.
    public func connect(host: String, port: Int) -> EventLoopFuture<any Channel> {
        connect(host: host, port: port) { $0.eventLoop.makeSucceededFuture($0) }
    }

    /// Connects to one address.
    public func connect(to address: NIOCore.SocketAddress) -> EventLoopFuture<any Channel> {
        connect(to: address) { $0.eventLoop.makeSucceededFuture($0) }
    }

    /// Connects to a Unix socket by its path.
    public func connect(unixDomainSocketPath path: String) -> EventLoopFuture<any Channel> {
        do {
            return connect(to: try NIOAddress(unixDomainSocketPath: path))
        } catch {
            return group.next().makeFailedFuture(error)
        }
    }

    /// Makes a channel of a socket that is connected already: one of `socketpair(2)`, or of another process. The descriptor is the
    /// channel's, whatever comes of it.
    public func withConnectedSocket(_ socket: NIOBSDSocket.Handle) -> EventLoopFuture<any Channel> {
        adopt(socket) { $0.eventLoop.makeSucceededFuture($0) }
    }

    // MARK: - Connecting, async

    /// Connects, and gives what the initializer made of the channel, say an `NIOAsyncChannel`.
    public func connect<Output: Sendable>(
        host: String, port: Int, channelInitializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
    ) async throws -> Output {
        try await connect(host: host, port: port, channelInitializer).get()
    }

    /// Connects to one address, and gives what the initializer made of the channel.
    public func connect<Output: Sendable>(
        to address: NIOCore.SocketAddress,
        channelInitializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
    ) async throws -> Output {
        try await connect(to: address, channelInitializer).get()
    }

    /// Connects to a Unix socket by its path, and gives what the initializer made of the channel.
    public func connect<Output: Sendable>(
        unixDomainSocketPath path: String,
        channelInitializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
    ) async throws -> Output {
        try await connect(to: try NIOAddress(unixDomainSocketPath: path), channelInitializer).get()
    }

    /// As ``withConnectedSocket(_:)``, and gives what the initializer made of the channel.
    public func withConnectedSocket<Output: Sendable>(
        _ socket: NIOBSDSocket.Handle,
        channelInitializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
    ) async throws -> Output {
        try await adopt(socket, channelInitializer).get()
    }

    // MARK: - One way for all

    private func adopt<Output: Sendable>(
        _ socket: NIOBSDSocket.Handle, _ prepare: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
    ) -> EventLoopFuture<Output> {
        let socket = OwnedDescriptor(socket)
        guard let loop = group.next() as? IOCPEventLoop else {
            return group.next().makeFailedFuture(EventLoopError.unsupportedOperation)
        }
        let make = maker(prepare)
        return loop.flatSubmit {
            make(loop, nil) { channel in
                let promise = loop.makePromise(of: Void.self)
                channel.adopt(socket, promise: promise)
                return promise.futureResult
            }.output
        }
    }

    private func connect<Output: Sendable>(
        host: String, port: Int, _ prepare: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
    ) -> EventLoopFuture<Output> {
        guard let loop = group.next() as? IOCPEventLoop else {
            return group.next().makeFailedFuture(EventLoopError.unsupportedOperation)
        }
        let promise = loop.makePromise(of: Output.self)
        let tries = ConnectTries(loop, host: host, port: port, timeout, promise, maker(prepare))
        Worker.unbindThread()
        DispatchQueue.global().async {
            let found = Result { try PortAddress.all(host: host, port: port) }
            loop.execute { tries.begin(found) }
        }
        return promise.futureResult
    }

    private func connect<Output: Sendable>(
        to address: NIOAddress, _ prepare: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
    ) -> EventLoopFuture<Output> {
        guard let loop = group.next() as? IOCPEventLoop else {
            return group.next().makeFailedFuture(EventLoopError.unsupportedOperation)
        }
        let (make, timeout) = (maker(prepare), timeout)
        return loop.flatSubmit { make(loop, timeout) { $0.connect(to: address) }.output }
    }

    /// One try: a channel, and what its initializer made of it once it is connected.
    struct Attempt<Output: Sendable>: Sendable {
        let channel: StreamChannel
        let output: EventLoopFuture<Output>
    }

    /// - Parameter open: connects the channel.
    typealias Maker<Output: Sendable> =
        @Sendable (IOCPEventLoop, _ timeout: TimeAmount?, _ open: @escaping @Sendable (StreamChannel) -> EventLoopFuture<Void>)
        -> Attempt<Output>

    private func maker<Output: Sendable>(
        _ prepare: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
    ) -> Maker<Output> {
        let (options, initializer, handlers, source) = (options, initializer, protocolHandlers, source)
        return { loop, timeout, open in
            let channel = StreamChannel(on: loop)
            channel.connecting.timeout = timeout
            let output = options.applyAllChannelOptions(to: channel).flatMap {
                initializer?(channel) ?? loop.makeSucceededVoidFuture()
            }.flatMapThrowing {
                if let handlers {
                    try channel.pipeline.syncOperations.addHandlers(handlers(), position: .first)
                }
            }.flatMap {
                prepare(channel)
            }.flatMap { made in
                channel.register().flatMap {
                    source.map { channel.bind(to: $0) } ?? loop.makeSucceededVoidFuture()
                }.flatMap {
                    open(channel)
                }.map { made }
            }.flatMapError { error in
                channel.close0(error: error, mode: .all, promise: nil)
                return loop.makeFailedFuture(error)
            }
            return Attempt(channel: channel, output: output)
        }
    }
}

@available(*, unavailable)
extension IOCPClientBootstrap: Sendable {}
@available(*, unavailable)
extension IOCPServerBootstrap: Sendable {}
#endif

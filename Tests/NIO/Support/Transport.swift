#if NIO
import IOCP
import IOCPNIO
import NIOCore
import NIOPosix

/// What is tested: NIO's own transport and this one, on each driver. Every test of a behaviour runs on all of them with the same
/// expectation.
enum Transport: String, CaseIterable, CustomStringConvertible {
    case nio, uring, epoll

    var description: String { rawValue }

    func group(_ count: Int) throws -> any EventLoopGroup {
        switch self {
        case .nio: return MultiThreadedEventLoopGroup(numberOfThreads: count)
        case .uring, .epoll:
            var configuration = PortConfiguration()
            configuration.driver = self == .uring ? .uring : .epoll
            configuration.workers = count
            configuration.connectionsPerWorker = 4096
            configuration.workerPlacement = .unbound
            return try IOCPEventLoopGroup(configuration)
        }
    }

    /// A group for a body, ended with it.
    func withGroup<Value>(_ count: Int = 1, _ body: (any EventLoopGroup) async throws -> Value) async throws -> Value {
        let group = try group(count)
        do {
            let value = try await body(group)
            try await group.shutdownGracefully()
            return value
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
    }

    func server(_ group: any EventLoopGroup) -> any ServerMaking {
        switch self {
        case .nio: ServerBootstrap(group: group)
        case .uring, .epoll: IOCPServerBootstrap(group: group)
        }
    }

    func client(_ group: any EventLoopGroup) -> any ClientMaking {
        switch self {
        case .nio: ClientBootstrap(group: group)
        case .uring, .epoll: IOCPClientBootstrap(group: group)
        }
    }
}

/// The calls that both server bootstraps have.
protocol ServerMaking {
    func serverChannelInitializer(_ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>) -> Self
    func childChannelInitializer(_ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>) -> Self
    func serverChannelOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> Self
    func childChannelOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> Self
    func bind(host: String, port: Int) -> EventLoopFuture<any Channel>
    func bind(to address: NIOCore.SocketAddress) -> EventLoopFuture<any Channel>
    func bind(unixDomainSocketPath: String, cleanupExistingSocketFile: Bool) -> EventLoopFuture<any Channel>
    func withBoundSocket(_ socket: NIOBSDSocket.Handle) -> EventLoopFuture<any Channel>
    func bind<Output: Sendable>(
        host: String, port: Int,
        serverBackPressureStrategy: NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark?,
        childChannelInitializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
    ) async throws -> NIOAsyncChannel<Output, Never>
}

extension ServerBootstrap: ServerMaking {}
extension IOCPServerBootstrap: ServerMaking {}

protocol ClientMaking: NIOClientTCPBootstrapProtocol {
    func withConnectedSocket(_ socket: NIOBSDSocket.Handle) -> EventLoopFuture<any Channel>
    func connect<Output: Sendable>(
        host: String, port: Int, channelInitializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
    ) async throws -> Output
}

extension ClientBootstrap: ClientMaking {}
extension IOCPClientBootstrap: ClientMaking {}
#endif

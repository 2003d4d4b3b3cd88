#if NIO
import IOCP
import IOCPNIO
import NIOCore
import Testing

/// The code of docs/NIO.md and of the documentation of IOCPNIO.
@Suite(.serialized, .timeLimit(.minutes(1)))
struct NIOExamples {
    private final class EchoHandler: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer

        func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.writeAndFlush(data, promise: nil) }
    }

    @Test func serves() async throws {
        let group = IOCPEventLoopGroup(numberOfThreads: 2)
        let server = try await IOCPServerBootstrap(group: group)
            .childChannelInitializer { channel in channel.pipeline.addHandler(EchoHandler()) }
            .bind(host: "127.0.0.1", port: 0).get()
        try await EchoTests.echo(through: .uring, group, to: server.localAddress!)
        try await group.shutdownGracefully()
    }

    @Test func isConfigured() async throws {
        var configuration = PortConfiguration()
        configuration.workers = 2
        configuration.driver = .epoll
        configuration.connectionsPerWorker = 10_000
        let group = try IOCPEventLoopGroup(configuration, drainingFor: .seconds(5))
        #expect(group.completionPort.driver == .epoll)
        try await group.shutdownGracefully()
    }
}
#endif

#if NIO
import ChildProcesses
import Glibc
import IOCP
import IOCPNIO
import NIOCore
import Synchronization
import Testing

/// Many at once, and too little of something: nothing is left behind. In debug builds NIO ends the process where a promise is
/// dropped unkept.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct StormTests {
    static let transports = [Transport.uring, .epoll]

    /// How many descriptors this process may have.
    private static let descriptors: rlim_t = {
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return limit.rlim_cur
    }()

    /// Counts handlers that are in a pipeline.
    private final class Census: Sendable {
        let added = Atomic(0)
        let removed = Atomic(0)
        let active = Atomic(0)

        var left: Int { added.load(ordering: .relaxed) - removed.load(ordering: .relaxed) }
    }

    private final class Counted: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        private let census: Census

        init(_ census: Census) { self.census = census }

        func handlerAdded(context: ChannelHandlerContext) { census.added.wrappingAdd(1, ordering: .relaxed) }
        func handlerRemoved(context: ChannelHandlerContext) { census.removed.wrappingAdd(1, ordering: .relaxed) }
        func channelActive(context: ChannelHandlerContext) { census.active.wrappingAdd(1, ordering: .relaxed) }
        func channelInactive(context: ChannelHandlerContext) { census.active.wrappingSubtract(1, ordering: .relaxed) }
        func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.writeAndFlush(data, promise: nil) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    private static func withCounted(
        _ transport: Transport, _ configure: (inout PortConfiguration) -> Void = { _ in },
        _ body: (Census, any Channel, IOCPEventLoopGroup) async throws -> Void
    ) async throws {
        var configuration = PortConfiguration()
        configuration.driver = transport == .uring ? .uring : .epoll
        configuration.workers = 2
        configuration.connectionsPerWorker = 4096
        configuration.workerPlacement = .unbound
        configure(&configuration)
        let group = try IOCPEventLoopGroup(configuration)
        let census = Census()
        let listener = try await IOCPServerBootstrap(group: group).childChannelInitializer { channel in
            channel.eventLoop.submit { try channel.pipeline.syncOperations.addHandler(Counted(census)) }
        }.bind(host: "127.0.0.1", port: 0).get()
        do {
            try await body(census, listener, group)
            try await group.shutdownGracefully()
        } catch {
            try await group.shutdownGracefully()
            throw error
        }
        #expect(census.left == 0 && census.active.load(ordering: .relaxed) == 0)
    }

    @Test("clients that connect and reset leave nothing", arguments: transports)
    func resets(transport: Transport) async throws {
        try await Self.withCounted(transport) { census, listener, _ in
            for round in 0..<10 {
                let peers = (0..<200).map { _ in RawPeer(port: listener.localAddress!.port!) }
                if round % 2 == 0 {
                    try await eventually("all are served") { census.active.load(ordering: .relaxed) == 200 }
                    for peer in peers { peer.send("x") }
                }
                for peer in peers { peer.reset() }
                if round % 2 == 0 {
                    try await eventually("all are gone") { census.active.load(ordering: .relaxed) == 0 }
                }
            }
            try await eventually("no handler is left") { census.left == 0 }
        }
    }

    @Test("1,500 channels close at once", arguments: transports)
    func massClose(transport: Transport) async throws {
        try await Self.withCounted(transport) { census, listener, _ in
            let peers = (0..<1500).map { _ in RawPeer(port: listener.localAddress!.port!) }
            try await eventually("all are served") { census.active.load(ordering: .relaxed) == 1500 }
            for peer in peers { peer.finish() }
            try await eventually("all are gone") { census.left == 0 }
            for peer in peers { peer.reset() }
        }
    }

    /// A process of its own has the clients: their end is the kernel's doing, all at once.
    @Test(
        "18,000 channels close at once", .enabled(if: descriptors >= 18_500, "needs 18,500 descriptors"),
        arguments: transports)
    func massEnd(transport: Transport) async throws {
        try await Self.withCounted(transport) {
            $0.connectionsPerWorker = 18_432
        } _: { census, listener, _ in
            var crowd: ChildProcess? = try ChildProcess(
                "iocp",
                [
                    "stress", "--port", "\(listener.localAddress!.port!)", "--connections", "18000", "--active", "100",
                    "--duration", "600",
                ])
            try await eventually("all are served, or the clients ended: \(crowd!.text(of: .errors))") {
                census.active.load(ordering: .relaxed) == 18_000
            }
            crowd = nil
            try await eventually("all are gone") { census.left == 0 }
        }
    }

    @Test("a shutdown with 1,000 clients that stay leaves nothing", arguments: transports)
    func shutdown(transport: Transport) async throws {
        var peers: [RawPeer] = []
        try await Self.withCounted(transport) { census, listener, _ in
            peers = (0..<1000).map { _ in RawPeer(port: listener.localAddress!.port!) }
            try await eventually("all are served") { census.active.load(ordering: .relaxed) == 1000 }
        }
        for peer in peers { peer.reset() }
    }

    @Test("peers that do not read take the send memory, and everyone's promises end", arguments: transports)
    func sendMemory(transport: Transport) async throws {
        try await Self.withCounted(transport) {
            $0.sendChunksPerWorker = 16
            $0.unsentBytesPerWorker = 8 << 20
        } _: { census, listener, group in
            let ended = Atomic(0)
            let channels = Mutex<[any Channel]>([])
            let slow = try await IOCPServerBootstrap(group: group).childChannelInitializer { channel in
                channels.withLock { $0.append(channel) }
                return channel.eventLoop.makeSucceededVoidFuture()
            }.bind(host: "127.0.0.1", port: 0).get()
            let peers = (0..<20).map { _ in RawPeer(port: slow.localAddress!.port!) }
            try await eventually("all came") { channels.withLock { $0.count == 20 && $0.allSatisfy(\.isActive) } }
            let all = channels.withLock { $0 }
            for channel in all {
                for size in [100, 5_000, 1 << 20, 30, 4 << 20] {
                    let promise = channel.eventLoop.makePromise(of: Void.self)
                    promise.futureResult.whenComplete { _ in ended.wrappingAdd(1, ordering: .relaxed) }
                    channel.writeAndFlush(ByteBuffer(repeating: 1, count: size), promise: promise)
                }
            }
            // Others are served meanwhile.
            try await EchoTests.echo(through: transport, group, to: listener.localAddress!)
            for peer in peers.prefix(10) { peer.reset() }
            for peer in peers.suffix(10) { peer.drain(5_131 - 1 + (5 << 20)) }
            try await eventually("every promise ended") { ended.load(ordering: .relaxed) == 100 }
            for peer in peers.suffix(10) { peer.reset() }
            _ = census
        }
    }

    @Test("a full table refuses clients, and takes others when there is room", arguments: transports)
    func tableFull(transport: Transport) async throws {
        try await Self.withCounted(transport) {
            $0.connectionsPerWorker = 32
        } _: { census, listener, group in
            let peers = (0..<200).map { _ in RawPeer(port: listener.localAddress!.port!) }
            try await Task.sleep(for: .milliseconds(100))
            #expect(census.active.load(ordering: .relaxed) <= 64)
            let refused = await failure(of: IOCPClientBootstrap(group: group).connect(to: listener.localAddress!))
            #expect(refused == nil || (refused as? IOError)?.errnoCode == ENFILE, "\(String(describing: refused))")
            for peer in peers { peer.reset() }
            try await eventually("all are gone") { census.left == 0 }
            try await EchoTests.echo(through: transport, group, to: listener.localAddress!)
        }
    }
}
#endif

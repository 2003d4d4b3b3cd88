#if NIO
import NIOCore
import NIOPosix
import Testing

/// Bytes through whole paths, equal at the end.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct EchoTests {
    private static func pattern(_ count: Int) -> ByteBuffer {
        // A block of every byte, over and over, each time moved by one.
        let block = (0..<65_537).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        var buffer = ByteBufferAllocator().buffer(capacity: count)
        while buffer.readableBytes + block.count <= count { buffer.writeBytes(block) }
        buffer.writeBytes(block.prefix(count - buffer.readableBytes))
        return buffer
    }

    @Test("30 MB come back through handlers", arguments: Transport.allCases)
    func handlers(transport: Transport) async throws {
        try await transport.withGroup(2) { group in
            let server = try await transport.server(group).childChannelInitializer { $0.add(Echo()) }
                .bind(host: "127.0.0.1", port: 0).get()
            try await Self.echo30MB(through: transport, group, to: server.localAddress!)
            try await server.close()
        }
    }

    private static func echo30MB(
        through transport: Transport, _ group: any EventLoopGroup, to address: NIOCore.SocketAddress
    ) async throws {
        let sent = pattern(30 << 20)
        let got = group.next().makePromise(of: ByteBuffer.self)
        let client = try await transport.client(group)
            .channelInitializer { $0.add(Collector(got, wanted: sent.readableBytes)) }
            .connect(to: address).get()
        try await client.writeAndFlush(sent).get()
        #expect(try await got.futureResult.get() == sent)
        try await client.close().get()
    }

    @Test("IPv6, a Unix socket, and a socket that was bound elsewhere", arguments: Transport.allCases)
    func kinds(transport: Transport) async throws {
        try await transport.withGroup(2) { group in
            let server = transport.server(group).childChannelInitializer { $0.add(Echo()) }
            let v6 = try await server.bind(host: "::1", port: 0).get()
            try await Self.echo(through: transport, group, to: v6.localAddress!)
            let path = "/tmp/iocp-nio-\(transport)-\(UInt32.random(in: 0 ... .max))"
            let unix = try await server.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
            #expect(unix.localAddress?.pathname == path)
            try await Self.echo(through: transport, group, to: NIOCore.SocketAddress(unixDomainSocketPath: path))
            for channel in [v6, unix] { try await channel.close() }
        }
    }

    static func echo(
        through transport: Transport, _ group: any EventLoopGroup, to address: NIOCore.SocketAddress,
        _ text: String = "hello"
    ) async throws {
        let got = group.next().makePromise(of: ByteBuffer.self)
        let client = try await transport.client(group)
            .channelInitializer { $0.add(Collector(got, wanted: text.utf8.count)) }.connect(to: address).get()
        #expect(client.isActive && client.remoteAddress == address)
        try await client.writeAndFlush(ByteBuffer(string: text)).get()
        #expect(String(buffer: try await got.futureResult.get()) == text)
        try await client.close().get()
    }

    @Test("30 MB come back through NIOAsyncChannel", arguments: Transport.allCases)
    func asyncChannel(transport: Transport) async throws {
        try await transport.withGroup(2) { group in
            let server = try await transport.server(group).bind(
                host: "127.0.0.1", port: 0, serverBackPressureStrategy: nil
            ) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                }
            }
            let serving = Task {
                try await withThrowingDiscardingTaskGroup { tasks in
                    try await server.executeThenClose { clients in
                        for try await client in clients {
                            tasks.addTask {
                                try await client.executeThenClose { inbound, outbound in
                                    for try await bytes in inbound { try await outbound.write(bytes) }
                                }
                            }
                        }
                    }
                }
            }
            try await Self.echo30MB(through: transport, group, to: server.channel.localAddress!)
            serving.cancel()
            _ = await serving.result
        }
    }
}
#endif

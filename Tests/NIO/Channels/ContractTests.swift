#if NIO
import Glibc
import NIOCore
import NIOPosix
import SharedHarness
import Testing

/// What NIO's channels promise to their handlers, on NIO's transport and on this one.
@Suite(.serialized, .timeLimit(.minutes(2)))
struct ContractTests {
    @Test("the events of a life come in order", arguments: Transport.allCases)
    func order(transport: Transport) async throws {
        try await Pair.with(transport, server: { [Echo()] }) { pair in
            #expect(pair.client.isActive && pair.server.isActive)
            #expect(pair.server.parent === pair.listener && pair.client.parent == nil)
            try await pair.client.writeAndFlush(ByteBuffer(string: "one")).get()
            try await eventually("the echo") { pair.clientEvents.events.contains("read complete") }
            try await pair.client.close().get()
            try await pair.client.closeFuture.get()
            try await pair.server.closeFuture.get()
            #expect(
                pair.clientEvents.events
                    == ["registered", "active", "read one", "read complete", "inactive", "unregistered"])
            let ends = pair.serverEvents.events
            #expect(
                ends.prefix(2) == ["registered", "active"] && ends.suffix(2) == ["inactive", "unregistered"], "\(ends)")
            #expect(!pair.client.isActive && pair.client.localAddress == nil)
        }
    }

    @Test("both ends know both addresses", arguments: Transport.allCases)
    func addresses(transport: Transport) async throws {
        for host in ["127.0.0.1", "0.0.0.0", "::1"] {
            try await transport.withGroup { group in
                let accepted = group.next().makePromise(of: (any Channel).self)
                let listener = try await transport.server(group).childChannelInitializer {
                    accepted.succeed($0)
                    return $0.eventLoop.makeSucceededVoidFuture()
                }.bind(host: host, port: 0).get()
                let port = try #require(listener.localAddress?.port)
                let target = host == "::1" ? "::1" : "127.0.0.1"
                let client = try await transport.client(group).connect(host: target, port: port).get()
                let server = try await accepted.futureResult.get()
                #expect(server.remoteAddress == client.localAddress && client.localAddress != nil)
                #expect(server.localAddress == client.remoteAddress && client.remoteAddress?.port == port)
                #expect(client.remoteAddress?.ipAddress == target)
            }
        }
    }

    @Test("a refused connect says ECONNREFUSED, and closes its channel", arguments: Transport.allCases)
    func refused(transport: Transport) async throws {
        try await transport.withGroup { group in
            let listener = try await transport.server(group).bind(host: "127.0.0.1", port: 0).get()
            let address = try #require(listener.localAddress)
            try await listener.close().get()
            let recorder = Recorder()
            let made = group.next().makePromise(of: (any Channel).self)
            let error = await failure(
                of: transport.client(group).channelInitializer {
                    made.succeed($0)
                    return $0.add(recorder)
                }.connect(to: address))
            #expect((error as? IOError)?.errnoCode == ECONNREFUSED)
            try await made.futureResult.get().closeFuture.get()
            #expect(recorder.events == ["registered", "unregistered"])
        }
    }

    @Test("a socket that is connected already becomes a channel, and is closed where it cannot", arguments: Transport.allCases)
    func connectedSocket(transport: Transport) async throws {
        try await transport.withGroup { group in
            var ends: [Int32] = [0, 0]
            #expect(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
            #expect(send(ends[1], "early;", 6, 0) == 6)
            let events = Recorder()
            let channel = try await transport.client(group).channelInitializer { $0.add(events, Echo()) }
                .withConnectedSocket(ends[0]).get()
            #expect(channel.isActive)
            #expect(send(ends[1], "late", 4, 0) == 4)
            try await eventually("both came") { events.events.filter { $0.hasPrefix("read ") }.joined().contains("late") }
            var room = [UInt8](repeating: 0, count: 100)
            var text = ""
            while text.utf8.count < 10 {
                let count = recv(ends[1], &room, room.count, 0)
                text += String(decoding: room.prefix(max(0, count)), as: UTF8.self)
            }
            #expect(text == "early;late")
            close(ends[1])
            try await channel.closeFuture.get()

            let listener = try await transport.server(group).childChannelInitializer { $0.add(Echo()) }
                .bind(host: "127.0.0.1", port: 0).get()
            let peer = RawPeer(port: listener.localAddress!.port!)
            let client = try await transport.client(group).withConnectedSocket(peer.descriptor).get()
            #expect(client.remoteAddress == listener.localAddress)
            try await client.close().get()

            let loose = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            let error = await failure(of: transport.client(group).withConnectedSocket(loose))
            if transport != .nio { #expect((error as? IOError)?.errnoCode == ENOTCONN) }
            try await eventually("it is closed") { fcntl(loose, F_GETFD) < 0 }
        }
    }

    @Test("a connect that nobody answers ends with its time", arguments: Transport.allCases)
    func timedOut(transport: Transport) async throws {
        try await transport.withGroup { group in
            let silent = try SilentListener()
            let start = NIODeadline.now()
            let error = await failure(
                of: transport.client(group).connectTimeout(.milliseconds(100)).connect(
                    to: try NIOCore.SocketAddress(ipAddress: "127.0.0.1", port: silent.port)))
            guard case .connectTimeout(.milliseconds(100)) = error as? ChannelError else {
                Issue.record("\(String(describing: error))")
                return
            }
            let passed = NIODeadline.now() - start
            #expect(passed >= .milliseconds(100) && passed < .seconds(5))
        }
    }

    @Test("writes and flushes from within callbacks keep their order", arguments: Transport.allCases)
    func reentrant(transport: Transport) async throws {
        try await Pair.with(transport, server: { [Nested()] }) { pair in
            try await pair.client.writeAndFlush(ByteBuffer(string: "go")).get()
            try await eventually("all came") {
                pair.clientEvents.events.filter { $0.hasPrefix("read ") && $0 != "read complete" }
                    .map { $0.dropFirst(5) }.joined().hasSuffix("99;")
            }
            let read = pair.clientEvents.events.filter { $0 != "read complete" && $0.hasPrefix("read ") }
            #expect(read.map { $0.dropFirst(5) }.joined() == (0..<100).map { "\($0);" }.joined())
        }
    }

    @Test("what was flushed arrives before the end, however much", arguments: Transport.allCases)
    func flushThenClose(transport: Transport) async throws {
        try await Pair.with(transport) { pair in
            let text = String(repeating: "x", count: 100_000)
            try await pair.client.eventLoop.submit {
                for _ in 0..<3 { pair.client.write(ByteBuffer(string: text), promise: nil) }
                pair.client.flush()
                pair.client.close(promise: nil)
            }.get()
            try await pair.server.closeFuture.get()
            let count = pair.serverEvents.events.filter { $0.hasPrefix("read x") }.map { $0.utf8.count - 5 }.reduce(
                0, +)
            #expect(transport == .nio ? count <= 300_000 : count == 300_000)
        }
    }

    @Test("a close fails what was not flushed, and later calls say so", arguments: Transport.allCases)
    func closeFails(transport: Transport) async throws {
        try await Pair.with(transport) { pair in
            let write = pair.client.write(ByteBuffer(string: "never"))
            try await pair.client.close().get()
            #expect(await failure(of: write) as? ChannelError == .ioOnClosedChannel)
            let late: EventLoopFuture<Void> = pair.client.writeAndFlush(ByteBuffer(string: "late"))
            #expect(await failure(of: late) as? ChannelError == .ioOnClosedChannel)
            #expect(await failure(of: pair.client.closing()) as? ChannelError == .alreadyClosed)
        }
    }

    @Test("promises come in the order of their writes", arguments: Transport.allCases)
    func promises(transport: Transport) async throws {
        try await Pair.with(transport, server: { [Echo()] }) { pair in
            let order = Recorder()
            let futures = try await pair.client.eventLoop.submit {
                (0..<50).map { index in
                    let size = index % 7 == 0 ? 40_000 : 10
                    let future = pair.client.write(ByteBuffer(repeating: 7, count: size))
                    future.whenSuccess { order.note("\(index)") }
                    if index % 5 == 4 { pair.client.flush() }
                    return future
                }
            }.get()
            for future in futures { try await future.get() }
            #expect(order.events == (0..<50).map(String.init))
        }
    }

    @Test("the output ends alone: what is pending leaves first, and answers still come", arguments: Transport.allCases)
    func outputCloses(transport: Transport) async throws {
        try await Pair.with(
            transport, server: { [AnswersAtEnd()] },
            configure: { $0.childChannelOption(.allowRemoteHalfClosure, value: true) }
        ) { pair in
            try await pair.client.setOption(.allowRemoteHalfClosure, value: true).get()
            let (first, second, late) = try await pair.client.eventLoop.submit {
                pair.client.write(ByteBuffer(string: "question"), promise: nil)
                pair.client.flush()
                return (
                    pair.client.closing(.output), pair.client.closing(.output),
                    pair.client.write(ByteBuffer(string: "more"))
                )
            }.get()
            try await first.get()
            #expect(await failure(of: second) as? ChannelError == .outputClosed)
            #expect(await failure(of: late) as? ChannelError == .outputClosed)
            try await pair.client.closeFuture.get()
            let client = pair.clientEvents.events
            #expect(client.contains("read question, answered"), "\(client)")
            #expect(client.contains("event outputClosed"))
            #expect(client.suffix(2) == ["inactive", "unregistered"])
            #expect(pair.serverEvents.events.contains("event inputClosed"))
        }
    }

    /// Answers what came once the peer has finished, and closes.
    private final class AnswersAtEnd: ChannelInboundHandler, @unchecked Sendable {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private var question = ""

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            question += String(buffer: unwrapInboundIn(data))
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            context.fireUserInboundEventTriggered(event)
            guard event as? ChannelEvent == .inputClosed else { return }
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: question + ", answered")), promise: nil)
            context.close(promise: nil)
        }
    }

    @Test("without half-closure a FIN closes the channel", arguments: Transport.allCases)
    func finCloses(transport: Transport) async throws {
        try await Pair.with(transport) { pair in
            try await pair.client.writeAndFlush(ByteBuffer(string: "last")).get()
            try await pair.client.close(mode: .output).get()
            try await pair.server.closeFuture.get()
            let events = pair.serverEvents.events.filter { $0 != "read complete" }
            #expect(events == ["registered", "active", "read last", "inactive", "unregistered"])
        }
    }

    @Test("with reads off a FIN is told all the same, behind what precedes it", arguments: Transport.allCases)
    func endWithoutReads(transport: Transport) async throws {
        try await Pair.with(transport, configure: { $0.childChannelOption(.autoRead, value: false) }) { pair in
            try await pair.client.writeAndFlush(ByteBuffer(string: "unasked")).get()
            try await Task.sleep(for: .milliseconds(50))
            #expect(!pair.serverEvents.events.contains { $0.hasPrefix("read") })
            try await pair.client.close().get()
            try await pair.server.closeFuture.get()
            #expect(pair.serverEvents.events.contains("read unasked"))
        }
    }

    @Test("with reads off each read() brings one round", arguments: Transport.allCases)
    func exactReads(transport: Transport) async throws {
        try await Pair.with(transport, configure: { $0.childChannelOption(.autoRead, value: false) }) { pair in
            for round in 1...3 {
                try await pair.client.writeAndFlush(ByteBuffer(string: "\(round)")).get()
                try await Task.sleep(for: .milliseconds(30))
                #expect(
                    pair.serverEvents.events.filter { $0.hasPrefix("read ") && $0 != "read complete" }.count == round
                        - 1)
                pair.server.read()
                try await eventually("round \(round)") {
                    pair.serverEvents.events.filter { $0 == "read complete" }.count == round
                }
                #expect(pair.serverEvents.events.suffix(2) == ["read \(round)", "read complete"])
            }
        }
    }

    @Test("a reset is an error, then the end", arguments: Transport.allCases)
    func reset(transport: Transport) async throws {
        try await transport.withGroup { group in
            let visit = try await Visit(transport, group)
            visit.peer.reset()
            try await visit.server.closeFuture.get()
            #expect(
                visit.events.events.filter { $0 != "read complete" }
                    == ["registered", "active", "error \(ECONNRESET)", "inactive", "unregistered"])
        }
    }

    @Test("a reset in the middle of writes fails their promises", arguments: Transport.allCases)
    func resetFailsWrites(transport: Transport) async throws {
        try await transport.withGroup { group in
            let visit = try await Visit(transport, group)
            let server = visit.server
            let writes = (0..<20).map { _ -> EventLoopFuture<Void> in
                server.writeAndFlush(ByteBuffer(repeating: 1, count: 1 << 20))
            }
            try await Task.sleep(for: .milliseconds(50))
            visit.peer.reset()
            try await server.closeFuture.get()
            // The peer read nothing: what its socket and ours had room for may have succeeded, and the rest cannot have.
            for write in writes.suffix(8) {
                let error = await failure(of: write)
                #expect(error is IOError, "\(String(describing: error))")
            }
        }
    }

    @Test(
        "closing in a callback ends the channel there", arguments: Transport.allCases, ["active", "read", "complete"])
    func closesInCallback(transport: Transport, place: String) async throws {
        try await Pair.with(transport, server: { [ClosesIn(place)] }) { pair in
            pair.client.writeAndFlush(ByteBuffer(string: "x"), promise: nil)
            try await pair.server.closeFuture.get()
            try await pair.client.closeFuture.get()
            #expect(pair.serverEvents.events.filter { $0 == "inactive" }.count == 1)
            #expect(pair.serverEvents.events.filter { $0 == "unregistered" }.count == 1)
        }
    }

    private final class ClosesIn: ChannelInboundHandler, Sendable {
        typealias InboundIn = ByteBuffer
        private let place: String

        init(_ place: String) { self.place = place }

        func channelActive(context: ChannelHandlerContext) {
            context.fireChannelActive()
            if place == "active" { context.close(promise: nil) }
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            if place == "read" { context.close(promise: nil) }
            context.fireChannelRead(data)
        }

        func channelReadComplete(context: ChannelHandlerContext) {
            if place == "complete" { context.close(promise: nil) }
            context.fireChannelReadComplete()
        }
    }

    @Test("writability falls at the high mark and comes back at the low one", arguments: Transport.allCases)
    func writability(transport: Transport) async throws {
        try await Pair.with(transport, configure: { $0.childChannelOption(.autoRead, value: false) }) { pair in
            #expect(pair.client.isWritable)
            let writes = (0..<40).map { _ -> EventLoopFuture<Void> in
                pair.client.writeAndFlush(ByteBuffer(repeating: 1, count: 1 << 20))
            }
            try await eventually("unwritable") { !pair.client.isWritable }
            try await Task.sleep(for: .milliseconds(30))
            #expect(!pair.client.isWritable)
            try await pair.server.setOption(.autoRead, value: true).get()
            for write in writes { try await write.get() }
            try await eventually("writable") { pair.clientEvents.events.last == "writable true" }
            let changes = pair.clientEvents.events.filter { $0.hasPrefix("writable") }
            #expect(changes.first == "writable false" && changes.last == "writable true")
            for (one, next) in zip(changes, changes.dropFirst()) { #expect(one != next) }
        }
    }

    @Test("who asks isWritable keeps little for a peer that does not read", arguments: Transport.allCases)
    func slowPeer(transport: Transport) async throws {
        try await Pair.with(transport, configure: { $0.childChannelOption(.autoRead, value: false) }) { pair in
            var written = 0
            while pair.client.isWritable, written < 64 << 20 {
                pair.client.writeAndFlush(ByteBuffer(repeating: 1, count: 4096), promise: nil)
                written += 4096
                if written % 16_384 == 0 { try await pair.client.eventLoop.submit {}.get() }
            }
            #expect(!pair.client.isWritable)
            #expect(try await pair.client.getOption(.bufferedWritableBytes).get() <= 160 << 10)
        }
    }

    @Test("a reset behind a FIN ends a channel that is half closed", arguments: Transport.allCases)
    func resetBehindFIN(transport: Transport) async throws {
        try await transport.withGroup { group in
            let visit = try await Visit(transport, group) {
                $0.childChannelOption(.allowRemoteHalfClosure, value: true)
            }
            visit.peer.finish()
            try await eventually("the FIN is told") { visit.events.events.contains("event inputClosed") }
            #expect(visit.server.isActive)
            visit.peer.reset()
            // Without a receive it is a write that meets the reset.
            try await Task.sleep(for: .milliseconds(20))
            visit.server.writeAndFlush(ByteBuffer(string: "x"), promise: nil)
            try await visit.server.closeFuture.get()
            #expect(visit.events.events.suffix(2) == ["inactive", "unregistered"])
        }
    }

    @Test("options are kept, and what is none is refused", arguments: Transport.allCases)
    func options(transport: Transport) async throws {
        try await Pair.with(transport) { pair in
            let channel = pair.client
            try await channel.setOption(.maxMessagesPerRead, value: 9).get()
            #expect(try await channel.getOption(.maxMessagesPerRead).get() == 9)
            try await channel.setOption(.writeBufferWaterMark, value: .init(low: 10, high: 20)).get()
            #expect(try await channel.getOption(.writeBufferWaterMark).get().high == 20)
            try await channel.setOption(.tcpOption(.tcp_nodelay), value: 0).get()
            #expect(try await channel.getOption(.tcpOption(.tcp_nodelay)).get() == 0)
            try await channel.setOption(.tcpOption(.tcp_nodelay), value: 1).get()
            #expect(try await channel.getOption(.tcpOption(.tcp_nodelay)).get() != 0)
            try await channel.setOption(.socketOption(.so_keepalive), value: 1).get()
            #expect(try await channel.getOption(.socketOption(.so_keepalive)).get() == 1)
            #expect(try await channel.getOption(.autoRead).get())
            try await channel.eventLoop.submit {
                let options = try #require(channel.syncOptions)
                try options.setOption(.allowRemoteHalfClosure, value: true)
                #expect(try options.getOption(.allowRemoteHalfClosure))
                #expect(try options.getOption(.bufferedWritableBytes) == 0)
            }.get()
            try await channel.close().get()
            #expect(await failure(of: channel.getOption(.autoRead)) as? ChannelError == .ioOnClosedChannel)
        }
    }

    @Test("reads have the sizes of the application's allocator", arguments: Transport.allCases)
    func readSizes(transport: Transport) async throws {
        try await Pair.with(
            transport,
            configure: {
                $0.childChannelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 4))
            }
        ) { pair in
            try await pair.client.writeAndFlush(ByteBuffer(string: "abcdefghijklmnopqrstuvwxyz")).get()
            try await eventually("all of it") {
                pair.serverEvents.events.filter { $0.hasPrefix("read ") && $0 != "read complete" }
                    .map { $0.dropFirst(5) }.joined() == "abcdefghijklmnopqrstuvwxyz"
            }
            #expect(pair.serverEvents.events.contains("read abcd"))
        }
    }

    @Test("a file's region is sent", arguments: Transport.allCases)
    func fileRegions(transport: Transport) async throws {
        let path = "/tmp/iocp-nio-file-\(UInt32.random(in: 0 ... .max))"
        let bytes = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let made = fopen(path, "w")!
        fwrite(bytes, 1, bytes.count, made)
        fclose(made)
        defer { unlink(path) }
        try await transport.withGroup { group in
            let got = group.next().makePromise(of: ByteBuffer.self)
            let listener = try await transport.server(group)
                .childChannelInitializer { $0.add(Collector(got)) }.bind(host: "127.0.0.1", port: 0).get()
            let client = try await transport.client(group).connect(to: listener.localAddress!).get()
            let handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: open(path, O_RDONLY))
            let region = FileRegion(fileHandle: handle, readerIndex: 1000, endIndex: 299_000)
            try await client.writeAndFlush(IOData.fileRegion(region)).get()
            try await client.close().get()
            try handle.close()
            #expect(try await got.futureResult.get() == ByteBuffer(bytes: bytes[1000..<299_000]))
        }
    }
}
#endif

import ChildProcesses
import Glibc
import IOCP
import Testing

/// Echoes frames without their prefix and with a new one, and counts them in the state beside the buffer.
private struct FrameServer: ConnectionHandler {
    struct State {
        var frames = FrameBuffer(LengthPrefixed(.four, maximumByteCount: 100_000))
        var count: UInt64 = 0
    }
    let closed: Locked<[CloseReason]>
    let failures: Locked<[FramingError]>

    func makeState() -> State { State() }

    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<State>) throws(IOCPError) {
        var input = bytes.bytes
        do throws(IOCPError) {
            while let frame = try connection.state.frames.next(in: &input) {
                connection.state.count += 1
                try connection.send(framed: frame.bytes, by: connection.state.frames.framing)
            }
        } catch {
            if let failure = connection.state.frames.failure { failures.withLock { $0.append(failure) } }
            throw error
        }
    }

    func peerFinished(_ connection: IocpContext<State>) throws(IOCPError) {
        let left = connection.state.frames.unfinishedByteCount
        try connection.send("\(connection.state.count) frames and \(left) bytes")
        connection.close()
    }

    func closed(_ connection: IocpContext<State>, reason: CloseReason) { closed.withLock { $0.append(reason) } }
}

extension RealSockets {
    @Suite struct FramingServer {
        private func withServer(_ driver: Driver, _ body: (Int, FrameServer) async throws -> Void) async throws {
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.workers = 2
            configuration.deliversHalfClose = true
            let handler = FrameServer(closed: Locked([]), failures: Locked([]))
            let server = try IOCPServer(configuration) { _ in handler }
            let port = try server.listen(host: "127.0.0.1", port: 0).address!.port
            do { try await body(port, handler) } catch {
                server.stop()
                try await server.wait()
                throw error
            }
            server.stop(drainingFor: .seconds(1))
            try await server.wait()
        }

        @Test("frames of all sizes, cut anywhere, come back whole", arguments: testedDrivers)
        func echo(driver: Driver) async throws {
            try await withServer(driver) { port, handler in
                try await onThreads(4) { thread in
                    var random = FramingRandom(seed: UInt64(thread))
                    let peer = try Peer.connect(port: port)
                    let sizes = [0, 1, 0, 5, 63, 64, 4_096, 100_000, 2, 3, 70_000, 0]
                    let stream = try sizes.flatMap { size in
                        let prefix = try LengthPrefixed(.four).prefix(forByteCount: size)
                        return [UInt8](prefix.bytes) + pattern(size, seed: UInt64(size))
                    }
                    var received: [UInt8] = []
                    var rest = stream[...]
                    while !rest.isEmpty {
                        let piece = rest.prefix(1 + random.below([3, 100, 30_000][random.below(3)]))
                        rest = rest.dropFirst(piece.count)
                        try peer.send(piece)
                        received += try peer.receiveWhatCame()
                    }
                    try peer.send([0, 0, 0, 9, 1, 2])
                    peer.finishSending()
                    let end = Array("\(sizes.count) frames and 6 bytes".utf8)
                    received += try peer.receive(stream.count + end.count - received.count)
                    #expect(received == stream + end)
                    #expect(peer.end() == .finished)
                }
                try await eventually("4 closed") { handler.closed.withLock { $0.count == 4 } }
                #expect(handler.failures.withLock { $0.isEmpty })
            }
        }

        @Test("a frame that is too large ends its connection, and no other", arguments: testedDrivers)
        func tooLarge(driver: Driver) async throws {
            try await withServer(driver) { port, handler in
                let other = try Peer.connect(port: port)
                try other.send([0, 0, 0])
                let hostile = try Peer.connect(port: port)
                try hostile.send([0, 0, 0, 1, 7, 0xFF, 0xFF, 0xFF, 0xFF])
                // The reset may overtake the echo of the first frame.
                let end = hostile.end()
                #expect(end == .reset || (end == .bytes))
                let due = FramingError.frameTooLarge(byteCount: 4_294_967_295, maximum: 100_000)
                try await eventually("the hostile one ended") { handler.closed.withLock { !$0.isEmpty } }
                #expect(handler.closed.withLock { $0 } == [.handlerThrew(IOCPError(due))])
                #expect(handler.failures.withLock { $0 } == [due])
                try other.send([1, 42])
                #expect(try other.receive(5) == [0, 0, 0, 1, 42])
            }
        }

        @Test("the program of the README echoes frames")
        func readme() throws {
            let process = try ChildProcess("ReadmeFrames", ["0"])
            let line = try process.line(of: .output, beginning: "listening on 127.0.0.1:")
            let peer = try Peer.connect(port: try #require(Int(line.split(separator: ":").last!)))
            let stream: [UInt8] = [0, 0, 0, 2, 7, 8, 0, 0, 0, 0, 0, 0, 0, 1, 9]
            for byte in stream { try peer.send([byte]) }
            #expect(try peer.receive(stream.count) == stream)
            process.signal(SIGKILL)
            #expect(try process.end() == -SIGKILL)
        }
    }
}

import IOCP
import Testing

extension RealSockets {
    @Suite struct Closing {
        @Test("the peer's FIN closes after the reply, with FIN", arguments: testedDrivers)
        func peerFinishes(driver: Driver) async throws {
            try await withServer(driver) { _, port, ledger in
                let peer = try Peer.connect(port: port)
                try peer.send([1, 2, 3])
                peer.finishSending()
                #expect(try peer.receive(4) == [1, 2, 3])
                #expect(peer.end() == .finished)
                try await eventually("closed") { ledger.snapshot.closed == [.peer] }
            }
        }

        @Test("half-close: the peer finishes, and still gets bytes", arguments: testedDrivers)
        func halfClose(driver: Driver) async throws {
            var behaviour = Behaviour()
            behaviour.received = { _, _ throws(IOCPError) in }
            behaviour.peerFinished = { connection throws(IOCPError) in
                try connection.send(pattern(100_000))
                connection.close()
            }
            try await withServer(driver, { $0.deliversHalfClose = true }, behaviour) { _, port, ledger in
                let peer = try Peer.connect(port: port)
                try peer.send([9])
                peer.finishSending()
                #expect(try peer.receive(100_001) == pattern(100_000))
                try await eventually("closed") { ledger.snapshot.closed == [.local] }
            }
        }

        @Test("half-close: the server finishes, and still receives", arguments: testedDrivers)
        func finishSending(driver: Driver) async throws {
            let received = Box()
            var behaviour = Behaviour()
            behaviour.opened = { connection throws(IOCPError) in
                try connection.send("bye")
                try connection.finishSending()
                #expect(refusal { () throws(IOCPError) in try connection.send("more") } != nil)
            }
            behaviour.received = { bytes, _ throws(IOCPError) in received.append(bytes.bytes) }
            try await withServer(driver, { _ in }, behaviour) { _, port, ledger in
                let peer = try Peer.connect(port: port)
                #expect(try peer.receive(4) == Array("bye".utf8))
                try peer.send([1, 2])
                try peer.send([3])
                peer.finishSending()
                try await eventually("closed") { ledger.snapshot.closed == [.peer] }
            }
            #expect(received.bytes == [1, 2, 3])
        }

        @Test("a connection says that its end has begun, and that its closed is still to come", arguments: testedDrivers)
        func isClosing(driver: Driver) async throws {
            let kept = Locked<[Bool]>([])
            var behaviour = Behaviour()
            behaviour.received = { bytes, connection throws(IOCPError) in
                var states = [connection.isClosing]
                try connection.send(bytes)
                connection.close()
                states += [connection.isClosing, connection.isOpen]
                #expect(refusal { () throws(IOCPError) in try connection.resumeReceiving() }?.name == "ENOTCONN")
                kept.withLock { $0 += states }
            }
            try await withServer(driver, { _ in }, behaviour) { _, port, ledger in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                #expect(try peer.receive(2) == [1])
                peer.finishSending()
                try await eventually("closed") { ledger.snapshot.closed == [.local] }
            }
            #expect(kept.withLock { $0 } == [false, true, true])
        }

        @Test("a reset by the peer is a reset here", arguments: testedDrivers)
        func peerResets(driver: Driver) async throws {
            try await withServer(driver) { _, port, ledger in
                do {
                    let peer = try Peer.connect(port: port)
                    try peer.send([1])
                    _ = try peer.receive(1)
                    peer.resetOnClose()
                }
                try await eventually("closed") { ledger.snapshot.closed.count == 1 }
                guard case .reset(let error) = ledger.snapshot.closed[0] else {
                    Issue.record("\(ledger.snapshot.closed)")
                    return
                }
                #expect(error.name == "ECONNRESET")
            }
        }

        @Test("abort sends RST, even with bytes queued", arguments: testedDrivers)
        func abort(driver: Driver) async throws {
            var behaviour = Behaviour()
            behaviour.received = { bytes, connection throws(IOCPError) in
                try connection.send([UInt8](repeating: 1, count: 20_000_000))
                connection.abort()
                #expect(refusal { () throws(IOCPError) in try connection.send([1]) } != nil)
            }
            try await withServer(driver, { _ in }, behaviour) { _, port, ledger in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                #expect(peer.end() == .reset)
                try await eventually("closed") { ledger.snapshot.closed == [.aborted] }
            }
        }

        @Test("close sends everything queued before FIN, to a reader that takes its time", arguments: testedDrivers)
        func closeFlushes(driver: Driver) async throws {
            var behaviour = Behaviour()
            behaviour.received = { _, connection throws(IOCPError) in
                try connection.send(pattern(8 << 20))
                connection.close()
            }
            try await withServer(driver, { $0.lingerTimeout = .seconds(5) }, behaviour) { server, port, ledger in
                let peer = try Peer.connect(port: port, receiveBufferBytes: 64 * 1024)
                try peer.send([1])
                var received: [UInt8] = []
                while received.count < 8 << 20 { received += try peer.receive(min(65_521, 8 << 20 - received.count)) }
                #expect(received == pattern(8 << 20))
                #expect(peer.end() == .finished)
                let stats = (0..<2).map { server.port.stats(ofWorker: $0) }
                #expect(stats.map(\.shortSends).reduce(0, +) > 0, "the test must reach short sends")
            }
        }

        @Test("a peer that never finishes does not keep a closed connection", arguments: testedDrivers)
        func lingerEnds(driver: Driver) async throws {
            var behaviour = Behaviour()
            behaviour.received = { _, connection throws(IOCPError) in connection.close() }
            try await withServer(driver, { $0.lingerTimeout = .milliseconds(50) }, behaviour) { _, port, ledger in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                #expect(peer.end() == .finished)
                try await eventually("closed") { ledger.snapshot.closed == [.local] }
            }
        }

        @Test("stop while busy ends every connection and every wait", arguments: testedDrivers)
        func stopWhileBusy(driver: Driver) async throws {
            try await withServer(driver, drainingFor: .milliseconds(200)) { server, port, ledger in
                let peers = try (0..<50).map { _ in try Peer.connect(port: port) }
                for peer in peers { try peer.send(pattern(10_000)) }
                try await eventually("all open") { ledger.snapshot.opened == 50 }
                server.stop(drainingFor: .milliseconds(200))
                try await server.wait()
                #expect(ledger.snapshot.closed.count == 50)
                #expect(throws: IOCPError.self) { try server.listen(host: "127.0.0.1", port: 0) }
            }
        }
    }
}

/// Bytes gathered on a worker's thread and read on the test's.
final class Box: Sendable {
    private let storage = Locked<[UInt8]>([])
    func append(_ span: RawSpan) {
        let bytes = span.withUnsafeBytes { Array($0) }
        storage.withLock { $0 += bytes }
    }
    var bytes: [UInt8] { storage.withLock { $0 } }
}

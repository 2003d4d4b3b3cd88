import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Every way to send copies keeps the same promises: order, all or nothing, the bounds.
    @Suite struct WaysToSend {
        @Test("in the order of the calls, at every size", arguments: testedDrivers)
        func order(driver: Driver) async throws {
            let ways = [0, 1, 511, 512, 513, 16_383, 16_384, 16_385, 100_000].flatMap { Way.all($0, seed: UInt64($0)) }
            var behaviour = Behaviour()
            behaviour.received = { _, connection throws(IOCPError) in
                for way in ways {
                    let before = connection.unsentByteCount
                    try way.onContext(connection)
                    #expect(connection.unsentByteCount == before + way.bytes.count, "\(way.testDescription)")
                }
            }
            try await withServer(driver, { $0.sendCap = 32 << 20 }, behaviour) { _, port, _ in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                for way in ways { #expect(try peer.receive(way.bytes.count) == way.bytes, "\(way.testDescription)") }
            }
        }

        @Test("in the raw style", arguments: testedDrivers)
        func raw(driver: Driver) async throws {
            let ways = Way.all(40_000)
            try await withRawWorker(driver) { worker, connection in
                for way in ways { try way.onWorker(worker, connection) }
                #expect(worker.unsentByteCount(of: connection) == ways.map(\.bytes.count).reduce(0, +))
            } peer: { peer in
                for way in ways {
                    let bytes = try peer.receive(way.bytes.count)
                    #expect(bytes == way.bytes, "\(way.testDescription)")
                }
            }
        }

        @Test("over the cap nothing is queued", arguments: testedDrivers)
        func caps(driver: Driver) async throws {
            let small = Way.all(16_000), large = Way.all(250_000).filter { $0.bytes.count > 100_000 }
            let before = pattern(95_000)
            var behaviour = Behaviour()
            behaviour.received = { _, connection throws(IOCPError) in
                try connection.send(before)
                for way in small + large {
                    let error = refusal { () throws(IOCPError) in try way.onContext(connection) }
                    // What grows is over the cap with what is queued before it is so alone.
                    #expect(error?.name == (way.bytes.count > 100_000 && !way.grows ? "EMSGSIZE" : "EAGAIN"))
                    #expect(error?.operation == .send)
                    #expect(connection.unsentByteCount == before.count, "\(way.testDescription)")
                }
                try connection.send("the end")
            }
            let refused = small.count + large.count
            try await withServer(
                driver,
                {
                    $0.workers = 1
                    $0.overflowPolicy = .refuse
                    ($0.sendLowWatermark, $0.sendHighWatermark, $0.sendCap) = (10, 50_000, 100_000)
                }, behaviour
            ) { server, port, _ in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                #expect(try peer.receive(95_007) == before + Array("the end".utf8))
                #expect(Int(server.port.stats(ofWorker: 0).refusedSends) == refused)
            }
        }

        @Test("without send memory nothing is queued", arguments: testedDrivers)
        func memory(driver: Driver) async throws {
            let ways = Way.all(16_384).filter { $0.bytes.count > 10_000 } + Way.all(200_000)
            let writable = Locked(0)
            var behaviour = Behaviour()
            behaviour.received = { _, connection throws(IOCPError) in
                // All but the reserve: a send of more than a chunk may not have that.
                try connection.send([UInt8](repeating: 1, count: 12 * 16_384 - 100))
                for way in ways {
                    let error = refusal { () throws(IOCPError) in try way.onContext(connection) }
                    #expect(error?.name == "ENOBUFS", "\(way.testDescription)")
                    #expect(connection.unsentByteCount == 12 * 16_384 - 100)
                }
            }
            behaviour.writable = { connection throws(IOCPError) in
                writable.withLock { $0 += 1 }
                try connection.send(capacity: 16_384) { output in
                    while !output.isFull { output.append(2) }
                }
            }
            try await withServer(
                driver,
                {
                    $0.sendChunksPerWorker = 16
                    $0.overflowPolicy = .refuse
                }, behaviour
            ) { _, port, _ in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                #expect(try peer.receive(12 * 16_384 - 100).allSatisfy { $0 == 1 })
                #expect(try peer.receive(16_384) == [UInt8](repeating: 2, count: 16_384))
                #expect(writable.withLock { $0 } == 1)
            }
        }

        @Test("behind a full socket, in order", arguments: testedDrivers)
        func fullSocket(driver: Driver) async throws {
            let flood = pattern(8 << 20)
            let ways = [1, 100, 16_384, 30_000].flatMap { Way.all($0, seed: 7) }
            let queued = Locked(false)
            var behaviour = Behaviour()
            behaviour.received = { _, connection throws(IOCPError) in
                if connection.unsentByteCount == 0 { return try connection.send(flood) }
                for way in ways { try way.onContext(connection) }
                queued.withLock { $0 = true }
            }
            try await withServer(
                driver,
                {
                    $0.workers = 1
                    $0.holdsBackReceive = false
                }, behaviour
            ) { server, port, _ in
                let peer = try Peer.connect(port: port, receiveBufferBytes: 4096)
                try peer.send([1])
                try await eventually("a full socket") { server.port.stats(ofWorker: 0).shortSends > 0 }
                try peer.send([2])
                try await eventually("everything queued") { queued.withLock { $0 } }
                #expect(try peer.receive(flood.count) == flood)
                for way in ways { #expect(try peer.receive(way.bytes.count) == way.bytes, "\(way.testDescription)") }
            }
        }
    }
}

/// Runs `body` with a worker on a thread of its own and a connection to a peer, closes the connection gracefully, and
/// runs `peer` beside it.
func withRawWorker(
    _ driver: Driver, _ body: @escaping @Sendable (Worker, Connection) throws -> Void,
    peer: @escaping @Sendable (Peer) throws -> Void
) async throws {
    let port = try CompletionPort(oneWorker(driver))
    let address = Locked<SocketAddress?>(nil)
    try await onThreads(2) { thread in
        guard thread == 0 else {
            while address.withLock({ $0 }) == nil { usleep(1000) }
            return try peer(Peer.connect(port: address.withLock { $0!.port }))
        }
        let worker = try port.attachWorker()
        let listening = try port.listen(host: "127.0.0.1", port: 0).address!
        address.withLock { $0 = listening }
        var batch = CompletionBatch()
        var isOpen = true
        while isOpen {
            for index in 0..<(try worker.wait(into: &batch, timeout: .seconds(10))) {
                switch batch[index].event {
                case .opened:
                    try body(worker, batch[index].connection!)
                    worker.close(batch[index].connection!)
                case .closed: isOpen = false
                default: break
                }
            }
        }
    }
}

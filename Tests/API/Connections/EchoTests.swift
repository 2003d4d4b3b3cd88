import IOCP
import Testing

extension RealSockets {
    @Suite struct Echo {
        @Test("messages of 0 B to 8 MiB in odd chunks come back byte for byte", arguments: testedDrivers)
        func sizes(driver: Driver) async throws {
            try await withServer(driver) { _, port, _ in
                let sizes = [0, 1, 63, 64, 65, 1000, 4095, 4096, 4097, 65_535, 65_536, 65_537, 300_001, 1 << 20, 8 << 20]
                try await onThreads(4) { thread in
                    for (index, size) in sizes.enumerated() where index % 4 == thread {
                        try echo(size, chunk: 1 + size / 7 | 1, port: port, seed: UInt64(size))
                    }
                }
            }
        }

        @Test("copied replies come back byte for byte", arguments: testedDrivers)
        func copies(driver: Driver) async throws {
            var behaviour = Behaviour()
            behaviour.received = { bytes, connection throws(IOCPError) in try connection.send(bytes.bytes) }
            try await withServer(driver, { _ in }, behaviour) { _, port, _ in
                try await onThreads(4) { thread in
                    for size in [1, 777, 65_536, 3_000_001] {
                        try echo(size, chunk: 10_007, port: port, seed: UInt64(thread))
                    }
                }
            }
        }

        @Test("2,000 connections at once, each echoed three times", arguments: testedDrivers)
        func manyConnections(driver: Driver) async throws {
            try await withServer(driver) { _, port, ledger in
                try await onThreads(4) { thread in
                    let peers = try (0..<500).map { _ in try Peer.connect(port: port) }
                    for round in 0..<3 {
                        for (index, peer) in peers.enumerated() {
                            try peer.send(pattern(64, seed: UInt64(thread * 10_000 + index * 3 + round)))
                        }
                        for (index, peer) in peers.enumerated() {
                            let expected = pattern(64, seed: UInt64(thread * 10_000 + index * 3 + round))
                            #expect(try peer.receive(64) == expected)
                        }
                    }
                }
                try await eventually("2,000 closed") { ledger.snapshot.closed.count == 2000 }
            }
        }

        @Test("a port of few, small buffers starves nobody and loses nothing", arguments: testedDrivers)
        func fewBuffers(driver: Driver) async throws {
            try await withServer(
                driver,
                {
                    $0.workers = 1
                    $0.receiveBufferBytes = 4096
                    $0.receiveBuffersPerWorker = 2
                    $0.completionQueueEntries = 64
                }
            ) { server, port, _ in
                try await onThreads(8) { thread in
                    for round in 0..<20 {
                        try echo(50_000, chunk: 4099, port: port, seed: UInt64(thread * 100 + round))
                    }
                }
                let starved = server.port.stats(ofWorker: 0).starvedReceives
                #expect(starved > 0, "two buffers for eight connections: the test must reach exhaustion")
            }
        }
    }
}

/// Sends while receiving, so that a full pipe in one direction cannot hold up the other.
func echo(_ size: Int, chunk: Int, port: Int, seed: UInt64) throws {
    let peer = try Peer.connect(port: port)
    let message = pattern(size, seed: seed)
    var sent = 0
    var received: [UInt8] = []
    received.reserveCapacity(size)
    let window = 64 * 1024
    while received.count < size {
        while sent < size, sent - received.count < window {
            let end = min(sent + chunk, size)
            try peer.send(message[sent..<end])
            sent = end
        }
        let part = try peer.receive(min(size, sent) - received.count)
        try #require(!part.isEmpty, "the server closed after \(received.count) of \(size) bytes")
        received += part
    }
    #expect(received == message)
    peer.finishSending()
    #expect(peer.end() == .finished)
}

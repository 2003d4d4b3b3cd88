import Glibc
import IOCP
import IOCPTLS
import Testing

extension RealSockets {
    /// TLS beneath handlers and bodies, on both drivers.
    @Suite(.timeLimit(.minutes(5))) struct TLS {}
}

/// Sends so many bytes and compares what comes back.
private func echo(_ count: Int, over connection: AsyncConnection, on worker: isolated WorkerActor, seed: Int)
    async throws
{
    let sent = (0..<count).map { UInt8(truncatingIfNeeded: ($0 &+ seed) &* 2_654_435_761 >> 11) }
    let sending = Task {
        _ = worker
        try await connection.send(sent)
    }
    var received: [UInt8] = []
    while received.count < count, try await connection.receive({ $0.append(to: &received) }) {}
    try await sending.value
    #expect(received == sent)
}

extension RealSockets.TLS {
    @Suite struct Echoing {
        static let sizes = [1, 63, 4_097, 16_384, 16_385, 65_536, 300_001, 4 << 20]

        @Test("every size comes back, by a handler that sends leases", arguments: testedDrivers)
        func leases(driver: Driver) async throws {
            try await withTLS(driver) { server, port, ledger, _ in
                try await exchange(driver, port)
                #expect(ledger.snapshot.opened == 2)
                try await eventually("both closed") { ledger.snapshot.closed.count == 2 }
                #expect(ledger.snapshot.closed == [.peer, .peer])
            }
        }

        @Test("and by a body, with buffers as small as they get", arguments: testedDrivers)
        func bodies(driver: Driver) async throws {
            var behaviour = Behaviour()
            behaviour.opened = { connection throws(IOCPError) in
                try connection.upgrade { _, connection in
                    while let bytes = try await connection.next() { try await connection.send(bytes) }
                }
            }
            try await withTLS(
                driver,
                {
                    $0.workers = 1
                    $0.receiveBufferBytes = 4_096
                    $0.receiveBuffersPerWorker = 2
                    $0.completionQueueEntries = 64
                    $0.deliversHalfClose = true
                }, behaviour
            ) { _, port, _, _ in try await exchange(driver, port) }
        }

        /// Two connections beside each other, each with every size in turn.
        private func exchange(_ driver: Driver, _ port: Int) async throws {
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.workers = 1
            configuration.receiveBufferBytes = 16_384
            let client = try IOCPClient(configuration)
            let tls = try testClient()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for lane in 0..<2 {
                    group.addTask {
                        try await client.withConnection(host: "127.0.0.1", port: port, tls: tls) { worker, connection in
                            for size in Self.sizes { try await echo(size, over: connection, on: worker, seed: lane) }
                            let found = connection.tls
                            #expect(found?.version == "TLSv1.3" && found?.cipher.contains("AES") == true)
                        }
                    }
                }
                try await group.waitForAll()
            }
            client.stop()
            try await client.wait()
        }

        @Test("whatever sends: parts, drafts, text, shared bytes, posts and topics", arguments: testedDrivers)
        func everySend(driver: Driver) async throws {
            let topic = Topic()
            let shared = try SharedBytes([UInt8](repeating: 83, count: 40_000))
            var behaviour = Behaviour()
            behaviour.opened = { connection throws(IOCPError) in
                try connection.send("text ")
                try connection.send([UInt8]("array ".utf8))
                try connection.send("head ".utf8Span.span.bytes, "payload ".utf8Span.span.bytes)
                try connection.send(capacity: 16) { output in for byte in "draft ".utf8 { output.append(byte) } }
                try connection.send { parts throws(IOCPError) in
                    for index in 0..<100 { try parts.append("part \(index) ") }
                    try parts.append([UInt8](repeating: 80, count: 50_000))
                }
                try connection.send(shared)
                try connection.send((0..<1_000).lazy.map { _ in UInt8(76) })
                try connection.subscribe(to: topic)
            }
            let parts = (0..<100).map { "part \($0) " }.joined()
            let expected =
                "text array head payload draft " + parts + String(repeating: "P", count: 50_000)
                + String(repeating: "S", count: 40_000) + String(repeating: "L", count: 1_000)
            try await withTLS(driver, { $0.sendCap = 1 << 20 }, behaviour) { server, port, ledger, _ in
                let text = try await withTLSClient(of: port) { _, connection in
                    var received: [UInt8] = []
                    while received.count < expected.utf8.count,
                        try await connection.receive({ $0.append(to: &received) })
                    {}
                    // From other threads.
                    try topic.publish(SharedBytes("topic "))
                    try server.port.send(SharedBytes("post"), to: ledger.snapshot.open.first!)
                    while received.count < expected.utf8.count + 10,
                        try await connection.receive({ $0.append(to: &received) })
                    {}
                    return String(decoding: received, as: UTF8.self)
                }
                #expect(text.hasPrefix(expected))
                let rest = text.dropFirst(expected.count)
                #expect(rest == "topic post" || rest == "posttopic ")
            }
        }

        @Test("a send over the cap is refused whole, and what follows is in order", arguments: testedDrivers)
        func caps(driver: Driver) async throws {
            let refusals = Locked<[Int32]>([])
            var behaviour = Behaviour()
            behaviour.received = { bytes, connection throws(IOCPError) in
                _ = consume bytes
                for round in 0..<64 {
                    let block = [UInt8](repeating: UInt8(round), count: 3_000)
                    if let error = refusal({ () throws(IOCPError) in try connection.send(block) }) {
                        refusals.withLock { $0.append(error.code) }
                    }
                }
                if let error = refusal({ () throws(IOCPError) in
                    try connection.send([UInt8](repeating: 1, count: 65_537))
                }) {
                    refusals.withLock { $0.append(error.code) }
                }
                if let error = refusal({ () throws(IOCPError) in
                    try connection.send { parts throws(IOCPError) in
                        for _ in 0..<100 { try parts.append([UInt8](repeating: 2, count: 1_000)) }
                    }
                }) {
                    refusals.withLock { $0.append(error.code) }
                }
            }
            try await withTLS(
                driver,
                {
                    $0.sendCap = 65_536
                    $0.sendHighWatermark = 65_536
                    $0.sendLowWatermark = 1_024
                    $0.overflowPolicy = .refuse
                }, behaviour
            ) { _, port, _, _ in
                let received = try await withTLSClient(of: port) { _, connection in
                    try await connection.send("go")
                    var received: [UInt8] = []
                    while received.count < 63_000, try await connection.receive({ $0.append(to: &received) }) {}
                    return received
                }
                // 21 blocks of 3,000 bytes fit with what sealing adds, 22 do not.
                #expect(
                    received.count == 63_000 && received == (0..<21).flatMap { [UInt8](repeating: $0, count: 3_000) })
                #expect(refusals.withLock { $0 } == Array(repeating: EAGAIN, count: 43) + [EMSGSIZE, EAGAIN])
            }
        }

        @Test("a small cap lets any number of bytes through to a peer that reads", arguments: testedDrivers)
        func smallCap(driver: Driver) async throws {
            var behaviour = Behaviour()
            behaviour.opened = { connection throws(IOCPError) in
                try connection.upgrade { _, connection in
                    for round in 0..<8 { try await connection.send([UInt8](repeating: UInt8(round), count: 1_000_000)) }
                }
            }
            try await withTLS(
                driver,
                {
                    $0.sendCap = 4_096
                    $0.sendHighWatermark = 4_096
                    $0.sendLowWatermark = 1_024
                }, behaviour
            ) { _, port, _, _ in
                let counts = try await withTLSClient(of: port) { _, connection in
                    var counts = [Int](repeating: 0, count: 8)
                    while try await connection.receive({ bytes in
                        for index in 0..<bytes.byteCount {
                            counts[Int(unsafe bytes.unsafeLoad(fromByteOffset: index, as: UInt8.self))] += 1
                        }
                    }) {}
                    return counts
                }
                #expect(counts == Array(repeating: 1_000_000, count: 8))
            }
        }
    }
}

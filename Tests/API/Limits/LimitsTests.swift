import Glibc
import IOCP
import Testing

extension RealSockets {
    @Suite struct Limits {
        @Test("a peer that does not read is not read from, and is served once it reads", arguments: testedDrivers)
        func backpressure(driver: Driver) async throws {
            let writable = Arrivals()
            let limit = 64 * 1024
            var behaviour = Behaviour()
            behaviour.writable = { _ throws(IOCPError) in writable.append(1) }
            try await withServer(
                driver,
                {
                    $0.workers = 1
                    $0.sendHighWatermark = limit
                    $0.sendLowWatermark = limit / 4
                }, behaviour
            ) { server, port, _ in
                let peer = try Peer.connect(port: port)
                let message = pattern(8 << 20)
                // A writer of its own: the pipe fills, and only reading lets it go on.
                try await onThreads(2) { thread in
                    if thread == 0 {
                        try peer.send(message)
                    } else {
                        // Everything the kernel's buffers take is in; the server stopped reading.
                        var last: UInt64 = 0
                        repeat {
                            last = server.port.stats(ofWorker: 0).receivedBytes
                            usleep(50_000)
                        } while server.port.stats(ofWorker: 0).receivedBytes != last
                        #expect(last < 8 << 20, "receiving never paused")
                        // The kernel's send buffer may have grown since, but not so far that it reads again.
                        #expect(server.port.stats(ofWorker: 0).unsentBytes > UInt64(limit / 4))
                        #expect(try peer.receive(message.count) == message)
                    }
                }
                #expect(writable.count > 0)
                try await eventually("nothing unsent") {
                    server.port.stats(ofWorker: 0).unsentBytes == 0
                }
            }
        }

        @Test("over the cap a send is refused whole, or closes the connection by name", arguments: testedDrivers)
        func cap(driver: Driver) async throws {
            for policy in [OverflowPolicy.refuse, .close] {
                let refusals = Arrivals()
                var behaviour = Behaviour()
                behaviour.received = { _, connection throws(IOCPError) in
                    let error = refusal { () throws(IOCPError) in
                        try connection.send([UInt8](repeating: 1, count: 100_000))
                        try connection.send([UInt8](repeating: 2, count: 100_000))
                    }
                    if error?.name == "EAGAIN" { refusals.append(UInt64(connection.unsentByteCount)) }
                }
                try await withServer(
                    driver,
                    {
                        $0.workers = 1
                        $0.sendCap = 150_000
                        $0.sendHighWatermark = 150_000
                        $0.sendLowWatermark = 1000
                        $0.overflowPolicy = policy
                    }, behaviour
                ) { server, port, ledger in
                    let peer = try Peer.connect(port: port)
                    try peer.send([1])
                    if policy == .refuse {
                        #expect(try peer.receive(100_000) == [UInt8](repeating: 1, count: 100_000))
                        #expect(refusals.values == [100_000])
                    } else {
                        #expect(peer.end() == .reset)
                        try await eventually("closed") { ledger.snapshot.closed == [.sendOverflow] }
                    }
                    #expect(server.port.stats(ofWorker: 0).refusedSends == 1)
                }
            }
        }

        /// What a peer that never reads gets into the server's memory.
        enum Stalled: UInt8, CaseIterable {
            case copies = 1, leases, shared
        }

        @Test("peers that never read take no memory from those that do", arguments: testedDrivers, Stalled.allCases)
        func stalledPeers(driver: Driver, stalled: Stalled) async throws {
            let message = try SharedBytes([UInt8](repeating: 3, count: 100))
            var behaviour = Behaviour()
            let piece = [UInt8](repeating: 1, count: 16_384)
            behaviour.received = {
                (bytes: consuming ReceivedBytes, connection: Behaviour.Context) throws(IOCPError) in
                switch Stalled(rawValue: bytes.bytes.unsafeLoad(as: UInt8.self)) {
                case .copies: while refusal({ () throws(IOCPError) in try connection.send(piece) }) == nil {}
                case .leases: try connection.send(bytes)
                case .shared: while refusal({ () throws(IOCPError) in try connection.send(message) }) == nil {}
                case nil: try connection.send(bytes.bytes)
                }
            }
            try await withServer(
                driver,
                {
                    $0.workers = 1
                    $0.connectionsPerWorker = 64
                    $0.receiveBuffersPerWorker = 4
                    $0.receiveBufferBytes = 4096
                    $0.sendChunksPerWorker = 64
                    $0.unsentBytesPerWorker = 2 << 20
                    $0.overflowPolicy = .refuse
                }, behaviour
            ) { server, port, _ in
                let live = try Peer.connect(port: port)
                let peers = try (0..<20).map { _ in try Peer.connect(port: port, receiveBufferBytes: 4096) }
                let bytes = [UInt8](repeating: stalled.rawValue, count: stalled == .leases ? 4 << 20 : 1)
                for peer in peers { _ = send(peer.fd, bytes, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)) }
                try await eventually("refusals") {
                    server.port.stats(ofWorker: 0).refusedSends >= 10
                }
                for round in 0..<100 {
                    // It may come in two pieces: no byte of it may look like a stalled peer's.
                    let message = pattern(1000, seed: UInt64(round)).map { $0 | 0x80 }
                    try live.send(message)
                    #expect(try live.receive(message.count) == message)
                }
                withExtendedLifetime(peers) {}
            }
        }

        /// Each keeps up until its first reply finds its socket full, so each could take a chunk of the reserve.
        @Test("more peers that never read than send chunks", arguments: testedDrivers)
        func moreStalledThanChunks(driver: Driver) async throws {
            let reply = [UInt8](repeating: 7, count: 8192)
            var behaviour = Behaviour()
            behaviour.received = {
                (bytes: consuming ReceivedBytes, connection: Behaviour.Context) throws(IOCPError) in
                _ = refusal { () throws(IOCPError) in try connection.send(reply) }
            }
            try await withServer(
                driver,
                {
                    $0.workers = 1
                    $0.connectionsPerWorker = 256
                    $0.sendChunksPerWorker = 32
                }, behaviour
            ) { server, port, ledger in
                let stalled = try (0..<100).map { _ in try Peer.connect(port: port, receiveBufferBytes: 4096) }
                // Asks until nothing more is taken of it: every socket is full, or its connection gone.
                var sent: UInt64 = 0
                repeat {
                    sent = server.port.stats(ofWorker: 0).sentBytes
                    for _ in 0..<20 {
                        for peer in stalled { _ = send(peer.fd, "r", 1, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL)) }
                        usleep(5000)
                    }
                } while server.port.stats(ofWorker: 0).sentBytes != sent
                for _ in 0..<50 {
                    let live = try Peer.connect(port: port)
                    try live.send([1])
                    #expect(try live.receive(reply.count) == reply)
                }
                #expect(ledger.snapshot.closed.contains(.sendOverflow), "the test must reach the reserve")
                withExtendedLifetime(stalled) {}
            }
        }

        /// Each listener's accepts alone would fit.
        @Test("clients of two listeners wait for slots, none is dropped", arguments: testedDrivers)
        func twoListenersFull(driver: Driver) async throws {
            var behaviour = Behaviour()
            let gate = Locked((reached: false, open: false))
            behaviour.received = {
                (bytes: consuming ReceivedBytes, connection: Behaviour.Context) throws(IOCPError) in
                if bytes.bytes.unsafeLoad(as: UInt8.self) == 9 { // the others come meanwhile
                    gate.withLock { $0.reached = true }
                    while !gate.withLock({ $0.open }) { usleep(1000) }
                }
                try connection.send(bytes)
            }
            try await withServer(
                driver,
                {
                    $0.workers = 1
                    $0.connectionsPerWorker = 10
                    $0.listenBacklog = 7
                }, behaviour
            ) { server, port, _ in
                let other = try server.listen(host: "127.0.0.1", port: 0).address!.port
                let first = try Peer.connect(port: port)
                try first.send([1])
                #expect(try first.receive(1) == [1])
                try first.send([9])
                // Whatever fails here, the worker must go on.
                defer { gate.withLock { $0.open = true } }
                try await eventually("the worker stands still") { gate.withLock { $0.reached } }
                var waiting = try (0..<14).map { try Peer.connect(port: $0 % 2 == 0 ? port : Int(other)) }
                for peer in waiting { try peer.send([1]) }
                gate.withLock { $0.open = true }
                #expect(try first.receive(1) == [9])
                try await eventually("all of them served") {
                    waiting.removeAll { peer in
                        #expect(!peer.sawFinish(), "a client was dropped that could have waited")
                        return (try? peer.receiveWhatCame()) == [1] // and leaves, so that another has its slot
                    }
                    return waiting.isEmpty
                }
            }
        }

        /// That a busy one goes on is among `PlayedTime`.
        @Test("silence ends a connection by name", arguments: testedDrivers)
        func idle(driver: Driver) async throws {
            try await withServer(driver, { $0.idleTimeout = .milliseconds(60) }) { _, port, ledger in
                let peer = try Peer.connect(port: port)
                #expect(peer.end() == .reset)
                try await eventually("closed") { ledger.snapshot.closed == [.idleTimeout] }
            }
        }

        @Test("a slowloris that drips bytes ends by name", arguments: testedDrivers)
        func slowloris(driver: Driver) async throws {
            try await withServer(
                driver,
                {
                    $0.receiveTimeout = .milliseconds(100)
                    $0.receiveProgressBytes = 50
                }
            ) { _, port, ledger in
                let peer = try Peer.connect(port: port)
                while ledger.snapshot.closed.isEmpty {
                    if send(peer.fd, [1], 1, Int32(MSG_NOSIGNAL)) < 0 { break }
                    usleep(10_000)
                }
                try await eventually("closed") { ledger.snapshot.closed == [.receiveTimeout] }
            }
        }

        @Test("a dead reader ends by name, a slow one does not", arguments: testedDrivers)
        func deadReader(driver: Driver) async throws {
            var behaviour = Behaviour()
            behaviour.received = { _, connection throws(IOCPError) in
                try connection.send([UInt8](repeating: 7, count: 16 << 20))
            }
            try await withServer(driver, { $0.sendTimeout = .seconds(1) }, behaviour) { _, port, ledger in
                let slow = try Peer.connect(port: port)
                let dead = try Peer.connect(port: port)
                try dead.send([1])
                try slow.send([1])
                var received = 0
                while received < 16 << 20 {
                    received += try slow.receive(min(1 << 20, 16 << 20 - received)).count
                    usleep(100_000)
                }
                try await eventually("closed") { ledger.snapshot.closed == [.sendTimeout] }
            }
        }

        @Test("an address has as many connections as it may", arguments: testedDrivers)
        func perAddress(driver: Driver) async throws {
            try await withServer(driver, { $0.connectionsPerAddress = 3 }) { server, port, ledger in
                var peers = try (0..<3).map { _ in try Peer.connect(port: port) }
                try await eventually("3 open") { ledger.snapshot.opened == 3 }
                let fourth = try Peer.connect(port: port)
                #expect(fourth.end() == .reset)
                let other = try Peer.connect(port: port, source: 0x7f00_0002)
                try other.send([1])
                #expect(try other.receive(1) == [1])
                peers.removeLast()
                try await eventually("1 closed") { ledger.snapshot.closed.count == 1 }
                let fifth = try Peer.connect(port: port)
                try fifth.send([5])
                #expect(try fifth.receive(1) == [5])
                let refused = (0..<2).map { server.port.stats(ofWorker: $0).refusedAddresses }.reduce(0, +)
                #expect(refused == 1)
            }
        }

        @Test("clients beyond the accept rate wait, and are served", arguments: testedDrivers)
        func acceptRate(driver: Driver) async throws {
            try await withServer(
                driver,
                {
                    $0.workers = 1
                    $0.acceptsPerSecond = 50
                }
            ) { server, port, ledger in
                let start = ContinuousClock.now
                let peers = try (0..<75).map { _ in try Peer.connect(port: port) }
                for peer in peers { try peer.send([1]) }
                for peer in peers { #expect(try peer.receive(1) == [1]) }
                // 50 in the first burst, 25 more at 50 per second.
                #expect(ContinuousClock.now - start >= .milliseconds(450))
                #expect(server.port.stats(ofWorker: 0).delayedAccepts > 0)
            }
        }

        @Test("a locked-down ring serves as before")
        func lockdown() async throws {
            try await withServer(.uring, { $0.lockdown = true }) { server, port, _ in
                try echo(300_000, chunk: 9999, port: port, seed: 3)
                let client = try IOCPClient { _ in Quiet() }
                client.stop()
                try client.wait()
            }
        }
    }
}

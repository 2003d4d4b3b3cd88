import CIOCPInternals
import Glibc
import IOCP
import SharedHarness
import Testing

extension RealSockets {
    /// Which worker has a client.
    @Suite struct Placement {
        /// How many clients each worker has let in.
        private func accepted(_ server: AuditedServer) -> [UInt64] {
            (0..<server.port.workerCount).map { server.port.stats(ofWorker: $0).accepted }
        }

        private func total(_ server: AuditedServer) -> WorkerStats {
            WorkerStats.total(of: (0..<server.port.workerCount).map { server.port.stats(ofWorker: $0) })
        }

        private func connected(_ count: Int, _ connect: () throws -> Peer) throws -> [Peer] {
            try (0..<count).map { round in
                let peer = try connect()
                try expectByte(UInt8(truncatingIfNeeded: round), by: peer)
                return peer
            }
        }

        private func expectByte(_ byte: UInt8, by peer: Peer) throws {
            try peer.send([byte])
            #expect(try peer.receive(1) == [byte])
        }

        @Test(
            "the least loaded of four workers has the next client, and each is counted once", arguments: testedDrivers)
        func leastLoaded(driver: Driver) async throws {
            try await withServer(
                driver,
                {
                    $0.workers = 4
                    $0.placement = .leastLoaded
                }
            ) { server, port, ledger in
                try await onThreads(1) { _ in
                    let peers = try connected(240) { try Peer.connect(port: port) }
                    let counts = accepted(server)
                    // Each may lag behind the others by the margin, and by what they did not know of each other.
                    #expect(counts.reduce(0, +) == 240 && counts.max()! - counts.min()! <= 6, "\(counts)")
                    for peer in peers { try expectByte(7, by: peer) }
                }
                let stats = total(server)
                #expect(stats.movesIn == stats.movesOut && stats.movesOut > 0 && stats.movesLost == 0)
                #expect(ledger.snapshot.opened == 240)
            }
        }

        @Test("a Unix socket that all workers share, too", arguments: testedDrivers)
        func leastLoadedOfSharedSocket(driver: Driver) async throws {
            let folder = try TemporaryFolder()
            try await withServer(driver, { $0.placement = .leastLoaded }) { server, _, _ in
                let address = try UnixAddress(path: folder.path + "/socket")
                _ = try server.listen(unix: address)
                try await onThreads(1) { _ in
                    _ = try connected(60) { try Peer.connect(unix: address) }
                }
                let counts = accepted(server)
                #expect(counts.reduce(0, +) == 60 && counts.max()! - counts.min()! <= 4, "\(counts)")
            }
        }

        @Test("one address has no more connections than it may, wherever they are", arguments: testedDrivers)
        func limitOfAddresses(driver: Driver) async throws {
            try await withServer(
                driver,
                {
                    $0.workers = 4
                    $0.placement = .leastLoaded
                    $0.connectionsPerAddress = 20
                }
            ) { server, port, ledger in
                try await onThreads(1) { _ in
                    let within = try connected(20) { try Peer.connect(port: port) }
                    for _ in 0..<20 { #expect(Peer.connectUnlessRefused(port: port)?.end() ?? .reset == .reset) }
                    for peer in within { try expectByte(3, by: peer) }
                }
                #expect(ledger.snapshot.opened == 20 && total(server).refusedOverAddressLimit == 20)
            }
        }

        @Test("clients on their way to a worker that stalls are served once it goes on", arguments: testedDrivers)
        func receiverStalls(driver: Driver) async throws {
            let stalled = Locked(false)
            let goesOn = Locked(false)
            var behaviour = Behaviour()
            behaviour.posted = { (_: UInt64, _: Behaviour.Context?, _: Worker) throws(IOCPError) in
                stalled.withLock { $0 = true }
                while !goesOn.withLock({ $0 }) { usleep(100) }
            }
            try await withServer(
                driver,
                {
                    $0.placement = .leastLoaded
                    $0.mailboxEntries = 16
                }, behaviour
            ) { server, port, ledger in
                try server.port.post(1, toWorker: 1)
                try await eventually("the worker stalls") { stalled.withLock { $0 } }
                try await onThreads(1) { _ in
                    let peers = try (0..<100).map { _ in try Peer.connect(port: port) }
                    for peer in peers { try peer.send([5]) }
                    goesOn.withLock { $0 = true }
                    for peer in peers { #expect(try peer.receive(1) == [5]) }
                }
                #expect(ledger.snapshot.opened == 100 && total(server).movesLost == 0)
            }
        }

        @Test("slots that are kept for clients of other workers come back", arguments: testedDrivers)
        func keptSlots(driver: Driver) async throws {
            try await withServer(
                driver,
                {
                    $0.placement = .leastLoaded
                    $0.connectionsPerWorker = 40
                    $0.listenBacklog = 4
                }
            ) { server, port, _ in
                try await onThreads(1) { _ in
                    for _ in 0..<8 {
                        let peers = try connected(50) { try Peer.connect(port: port) }
                        for peer in peers { shutdown(peer.fd, Int32(SHUT_WR)) }
                        for peer in peers { #expect(try peer.end() == .finished) }
                    }
                }
                #expect(total(server).movesOut > 40, "as many as are kept at a time would come back unnoticed")
            }
        }

        @Test("a stop while clients are on their way ends, and every client hears of it", arguments: testedDrivers)
        func stops(driver: Driver) async throws {
            for _ in 0..<5 {
                try await withServer(
                    driver,
                    {
                        $0.workers = 4
                        $0.placement = .leastLoaded
                    }
                ) { server, port, _ in
                    try await onThreads(1) { _ in
                        let peers = try (0..<100).map { _ in try Peer.connect(port: port) }
                        server.stop()
                        for peer in peers { #expect([.finished, .reset].contains(try peer.end())) }
                    }
                }
            }
        }

        /// On loopback a client's packets are taken in by the CPU that it runs on.
        @Test(
            "the worker of the CPU that took a client's packets in has it",
            .enabled(if: hasTwoCPUs, "one CPU: every client comes in on it"), arguments: testedDrivers)
        func incomingCPU(driver: Driver) async throws {
            try await withServer(
                driver,
                {
                    $0.workers = 0
                    $0.workerPlacement = .everyCPU
                    $0.placement = .incomingCPU
                }
            ) { server, port, _ in
                for worker in 0..<server.port.workerCount {
                    let before = accepted(server)[worker]
                    let cpu = try #require(server.port.stats(ofWorker: worker).core)
                    try await onThreads(1) { _ in
                        try #require(internals_thread_bind(UInt32(cpu)) == 0)
                        _ = try connected(20) { try Peer.connect(port: port) }
                    }
                    #expect(accepted(server)[worker] == before + 20)
                }
            }
        }
    }
}

private let hasTwoCPUs: Bool = {
    var first: UInt32 = 0
    return iocp_cpus_allowed(&first, 1) > 1
}()

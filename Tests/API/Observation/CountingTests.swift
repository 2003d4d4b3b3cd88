import Glibc
import IOCP
import Testing

extension RealSockets {
    /// What scripted clients did is what the page says, to the last one.
    @Suite struct Counting {
        private static func total(of port: CompletionPort) -> WorkerStats {
            WorkerStats.total(of: (0..<port.workerCount).map { port.stats(ofWorker: $0) })
        }

        private static func histogram(_ name: String, of port: CompletionPort) throws -> StatsHistogram {
            try #require(total(of: port).histograms.first { $0.name == name })
        }

        /// The first byte says what the server does: 'c' closes, 'a' aborts, 't' throws, all else is echoed.
        private static var scripted: Behaviour {
            var behaviour = Behaviour()
            behaviour.received = { bytes, connection throws(IOCPError) in
                switch bytes.withBytes({ $0.unsafeLoad(as: UInt8.self) }) {
                case UInt8(ascii: "c"): connection.close()
                case UInt8(ascii: "a"): connection.abort()
                case UInt8(ascii: "t"): throw IOCPError(code: EBADMSG, operation: .transport)
                default: try connection.send(bytes)
                }
            }
            return behaviour
        }

        @Test("connections, bytes and ends are counted by what clients did", arguments: testedDrivers)
        func ends(driver: Driver) async throws {
            try await withServer(driver, { $0.idleTimeout = .milliseconds(300) }, Self.scripted) { server, port, ledger in
                func peers(_ count: Int, _ first: String) throws -> [Peer] {
                    try (0..<count).map { _ in
                        let peer = try Peer.connect(port: port)
                        try peer.send(Array(first.utf8))
                        return peer
                    }
                }
                var ended: [Peer] = []
                ended += try peers(7, "c")
                ended += try peers(5, "a")
                ended += try peers(3, "t")
                var finished: [Peer] = try peers(11, "echo")
                for peer in finished {
                    #expect(try peer.receive(4) == Array("echo".utf8))
                    peer.finishSending()
                }
                var resets: [Peer] = try peers(9, "x")
                for peer in resets {
                    #expect(try peer.receive(1) == Array("x".utf8))
                    peer.resetOnClose()
                }
                resets = []
                let idle = try peers(4, "idle")
                try await eventually("all but those of the stop are closed") {
                    ledger.snapshot.closed.count == 7 + 5 + 3 + 11 + 9 + 4
                }
                let last = try peers(2, "y")
                for peer in last { #expect(try peer.receive(1) == Array("y".utf8)) }
                let stats = Self.total(of: server.port)
                #expect(stats.accepted == 41 && stats.closed == 39 && stats.connections == 2)
                #expect(stats.receivedBytes == 7 + 5 + 3 + 44 + 9 + 16 + 2)
                #expect(stats.sentBytes == 44 + 9 + 16 + 2)
                #expect(stats.closedHere == 7 && stats.aborted == 5 + 3 && stats.closedByPeer == 11)
                #expect(stats.reset == 9 && stats.idleTimeouts == 4 && stats.timeouts == 4)
                #expect(stats.closedByStop == 0 && stats.handlerErrors == 3)
                withExtendedLifetime((ended, idle, last)) {}
                finished = []
            }
        }

        @Test("the longest turn says how long it was, when, and what took it", arguments: testedDrivers)
        func longestTurn(driver: Driver) async throws {
            var behaviour = Behaviour()
            behaviour.received = { bytes, connection throws(IOCPError) in
                usleep(30_000)
                try connection.send(bytes)
            }
            try await withServer(driver, { $0.workers = 1 }, behaviour) { server, port, _ in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                #expect(try peer.receive(1) == [1])
                try await eventually("the turn is over") {
                    Self.total(of: server.port).longestTurn >= .milliseconds(30)
                }
                let stats = server.port.stats(ofWorker: 0)
                #expect(stats.longestTurnCause == .received && stats.longestTurn < .seconds(10))
                #expect(stats.longestTurnAt > .zero && stats.longestTurnAt <= stats.heartbeat + .seconds(1))
                let turns = try Self.histogram("turn_ns", of: server.port)
                #expect(turns.sum >= 30_000_000 && turns.buckets[25...].reduce(0, +) >= 1, "2^24 ns are 16.8 ms")
                #expect(turns.percentile(1)! >= 30_000_000)
            }
        }

        @Test("posts, timers and jobs: how late, how many, what they took", arguments: testedDrivers)
        func wakes(driver: Driver) async throws {
            let fired = Locked(0)
            var behaviour = Behaviour()
            behaviour.posted = { value, _, worker throws(IOCPError) in
                if value == 1 { usleep(20_000) }
                try worker.startTimer(after: .milliseconds(2), key: 0)
            }
            behaviour.timerFired = { _, error, _ throws(IOCPError) in
                if error == nil { fired.withLock { $0 += 1 } }
            }
            try await withServer(driver, { $0.workers = 1 }, behaviour) { server, _, _ in
                for post in 0..<20 {
                    try await eventually("it sleeps") { server.port.stats(ofWorker: 0).isAsleep }
                    try server.port.post(post == 0 ? 1 : 0, toWorker: 0)
                    try await eventually("the timer fired") { fired.withLock { $0 } == post + 1 }
                }
                let stats = server.port.stats(ofWorker: 0)
                #expect(stats.posts == 20 && stats.refusedPosts == 0 && stats.timers == 0)
                #expect(stats.longestTurnCause == .posted && stats.longestTurn >= .milliseconds(20))
                let (wakes, late) = (
                    try Self.histogram("wake_ns", of: server.port),
                    try Self.histogram("timer_lateness_ns", of: server.port)
                )
                #expect(wakes.count == 20 && wakes.buckets[0] == 0, "each slept, and to wake takes time")
                #expect(late.count == 20)
                // What was handed out is what the waits brought together.
                let batches = try Self.histogram("wait_completions", of: server.port)
                #expect(batches.sum == server.port.stats(ofWorker: 0).completions)
                #expect(stats.cpuTime > .zero && stats.cpuTime < .seconds(60))
            }
        }

        @Test("a full mailbox counts what it refuses", arguments: testedDrivers)
        func refusedPosts(driver: Driver) async throws {
            let goesOn = Locked(false)
            var behaviour = Behaviour()
            behaviour.posted = { value, _, _ throws(IOCPError) in
                while value == 1, !goesOn.withLock({ $0 }) { usleep(1_000) }
            }
            try await withServer(driver, { $0.workers = 1 }, behaviour) { server, _, _ in
                try server.port.post(1, toWorker: 0)
                var (taken, refused) = (1, 0)
                while refused < 5 {
                    if refusal({ () throws(IOCPError) in try server.port.post(0, toWorker: 0) }) == nil {
                        taken += 1
                    } else {
                        refused += 1
                    }
                }
                goesOn.withLock { $0 = true }
                try await eventually("all are delivered") { server.port.stats(ofWorker: 0).posts == taken }
                try await eventually("and counted") { server.port.stats(ofWorker: 0).refusedPosts == refused }
            }
        }

        @Test("memory and buffers are told", arguments: testedDrivers)
        func memory(driver: Driver) async throws {
            try await withServer(driver, { $0.workers = 1 }) { server, port, _ in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                #expect(try peer.receive(1) == [1])
                let stats = server.port.stats(ofWorker: 0)
                #expect(stats.receiveBuffers > 0 && stats.freeReceiveBuffers <= stats.receiveBuffers)
                #expect(stats.receiveMemoryBytes >= 1 << 16 && stats.sendMemoryBytes > 0)
                #expect(stats.connectionMemoryBytes > 0 && stats.leases <= 2)
            }
        }
    }
}

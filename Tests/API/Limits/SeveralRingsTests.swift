import CIOCPInternals
import Glibc
import IOCP
import Testing

extension RealSockets {
    /// A worker with more connections than RLIMIT_NOFILE lets one ring hold. In processes of their own, as the limit is the
    /// process'.
    @Suite(
        .enabled(if: testedDrivers.contains(.uring) && hasDirectDescriptors, "needs io_uring, and direct descriptors"))
    struct SeveralRings {
        /// What both sides count.
        private struct Tally {
            var echoes = 0
            var mismatches = 0
            var closed = 0
            var failures: [String] = []
        }

        /// Sends messages of many sizes, one after the other, and compares each byte of what comes back.
        private struct Asking:
            ConnectionHandler, Handles.Opened, Handles.ConnectFailed, Handles.Closed
        {
            final class State {
                var round = 0
                var left = 0
                var next: UInt8 = 0
            }
            static let rounds = 8
            let tally: Locked<Tally>

            func makeState() -> State { State() }

            func opened(_ connection: IocpContext<State>) throws(IOCPError) { try ask(connection) }

            /// From 1 to 70,000 bytes.
            private func ask(_ connection: IocpContext<State>) throws(IOCPError) {
                let state = connection.state
                let size =
                    state.round == 7 && connection.key % 20 == 0
                    ? 70_000 : 1 + (state.round * 977 + Int(connection.key) * 31) % 3000
                state.left = size
                try connection.send((0..<size).map { UInt8(truncatingIfNeeded: $0 &+ Int(connection.key)) })
                state.next = UInt8(truncatingIfNeeded: connection.key)
            }

            func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<State>) throws(IOCPError) {
                let state = connection.state
                let span = bytes.bytes
                for index in 0..<span.byteCount {
                    if span.unsafeLoad(fromByteOffset: index, as: UInt8.self) != state.next {
                        tally.withLock { $0.mismatches += 1 }
                    }
                    state.next &+= 1
                }
                state.left -= span.byteCount
                guard state.left == 0 else { return }
                tally.withLock { $0.echoes += 1 }
                state.round += 1
                if state.round < Asking.rounds { try ask(connection) } else { connection.close() }
            }

            func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) {
                tally.withLock { $0.failures.append("\(key): \(error)") }
            }

            func closed(_ connection: IocpContext<State>, reason: CloseReason) { tally.withLock { $0.closed += 1 } }
        }

        /// 620 connections of a client, each of which echoes its messages and closes, to servers that have 640 places.
        private static func serve(_ configure: (inout PortConfiguration) -> Void) async throws -> [WorkerStats] {
            try limitOpenFiles(to: 160)
            let count = 620
            var stats: [WorkerStats] = []
            try await withServer(.uring, configure) { server, port, ledger in
                var configuration = oneWorker(.uring)
                configuration.connectionsPerWorker = 640
                let tally = Locked(Tally())
                let client = try IOCPClient(configuration) { _ in Asking(tally: tally) }
                let address = try SocketAddress(host: "127.0.0.1", port: port)
                for key in 0..<count { try client.connect(to: address, key: UInt64(key)) }
                try await eventually("everything is echoed and closed", within: .seconds(60)) {
                    let seen = tally.withLock { $0 }
                    try #require(seen.failures.isEmpty && seen.mismatches == 0)
                    return seen.closed == count
                }
                #expect(tally.withLock { $0.echoes } == count * Asking.rounds)
                try await eventually("closed on both sides") { ledger.snapshot.closed.count == count }
                stats = (0..<server.port.workerCount).map { server.port.stats(ofWorker: $0) }
                client.stop()
                try await onThreads(1) { _ in try client.wait() }
            }
            let total = WorkerStats.total(of: stats)
            #expect(total.accepted == UInt64(count) && total.acceptFailures == 0)
            #expect(stats.allSatisfy { $0.driverFeatures.contains { $0.name == "several_rings" } })
            return stats
        }

        @Test("a worker holds, serves and closes four times as many as a ring does, and so does a client")
        func beyondTheTable() async {
            await #expect(processExitsWith: .success) {
                _ = try await SeveralRings.serve {
                    $0.workers = 1
                    $0.connectionsPerWorker = 640
                }
            }
        }

        @Test("clients go from the rings of one worker to those of another")
        func handedOver() async {
            await #expect(processExitsWith: .success) {
                let stats = try await SeveralRings.serve {
                    $0.workers = 2
                    $0.connectionsPerWorker = 320
                    $0.placement = .leastLoaded
                }
                let total = WorkerStats.total(of: stats)
                #expect(total.movesIn == total.movesOut && total.movesLost == 0)
                #expect(stats.allSatisfy { $0.accepted >= 250 }, "\(stats.map(\.accepted))")
            }
        }

        @Test("a full table of all rings delays the next client, who is served once there is room")
        func fullTables() async {
            await #expect(processExitsWith: .success) {
                try limitOpenFiles(to: 60)
                let worker = try FaultyWorker(.uring) { $0.connections_per_worker = 61 }
                var connected = 0
                while worker.connect(key: 1) == 0 && connected < 31 {
                    connected += 1
                    try worker.until("open on both sides") { worker.opened.count >= min(61, 2 * connected) }
                }
                // 61 places: 31 connects, 30 clients; one more waits in the backlog.
                #expect(connected == 31 && worker.opened.count == 61)
                for _ in 0..<20 { worker.turn() }
                #expect(worker.stats.accepted == 30 && worker.stats.accept_failures == 0)
                #expect(worker.abort(worker.opened[0]) == 0)
                try worker.until("the one that waited is served") { worker.stats.accepted == 31 }
                try worker.expectNothingHeld()
            }
        }

        @Test("a ring whose buffers are all lent waits for one, while others hold some")
        func lentBuffers() async {
            await #expect(processExitsWith: .success) {
                try limitOpenFiles(to: 60)
                let worker = try FaultyWorker(.uring) {
                    $0.connections_per_worker = 61
                    $0.receive_buffers_per_worker = 4
                    $0.receive_buffer_bytes = 4096
                }
                // 30 places in the first ring; those beyond are in the second.
                let open = try (0..<32).map { _ in try worker.open() }
                worker.keepsLeases = true
                for (peer, _) in open.prefix(4) { try peer.send([UInt8](repeating: 7, count: 20_000)) }
                try worker.until("the first ring's receives find no buffer") { worker.stats.starved_receives >= 4 }
                for _ in 0..<5 { worker.turn() }
                let before = worker.stats
                for _ in 0..<50 { worker.turn() }
                #expect(worker.stats.starved_receives == before.starved_receives, "nobody tries in vain")
                // Those of the other ring are served meanwhile.
                let bytes = worker.received.count
                try open[31].peer.send([1, 2, 3])
                try worker.until("served") { worker.received.count == bytes + 3 }
                worker.keepsLeases = false
                worker.returnLeases()
                try worker.until("everything") { worker.received.count == 4 * 20_000 + 3 }
                try worker.expectNothingHeld()
            }
        }

        @Test("several rings: an interrupted wait says so, and the next goes on")
        func interrupted() async {
            await #expect(processExitsWith: .success) {
                try limitOpenFiles(to: 60)
                let worker = try FaultyWorker(.uring) { $0.connections_per_worker = 61 }
                let (peer, connection) = try worker.open()
                for _ in 0..<3 { worker.turn() }
                for error in Errors.waitInterrupted {
                    worker.fail(INTERNALS_FAULT_WAIT, with: error)
                    #expect(worker.turn() == -EINTR)
                }
                try worker.expectAlive(connection, peer)
                try worker.expectNothingHeld()
            }
        }

        @Test("several rings: clients that cannot be placed now wait, and are served in their order")
        func placedLater() async {
            await #expect(processExitsWith: .success) {
                try limitOpenFiles(to: 60)
                for error in Errors.placeLater {
                    let worker = try FaultyWorker(.uring) { $0.connections_per_worker = 61 }
                    worker.turn()
                    worker.fail(INTERNALS_FAULT_PLACE, with: error, times: 3)
                    let peers = try (0..<5).map { _ in try Peer.connect(port: worker.listeningPort) }
                    try worker.until("all are served") { worker.opened.count == 5 }
                    #expect(worker.struck(INTERNALS_FAULT_PLACE) == 3 && worker.stats.accept_failures == 0)
                    for (peer, connection) in zip(peers, worker.opened) { try worker.expectAlive(connection, peer) }
                    try worker.expectNothingHeld()
                }
            }
        }

        @Test("several rings: a client that is refused its place is gone, and the next one is served")
        func placeRefused() async {
            await #expect(processExitsWith: .success) {
                try limitOpenFiles(to: 60)
                for error in Errors.place {
                    let worker = try FaultyWorker(.uring) { $0.connections_per_worker = 61 }
                    worker.turn()
                    worker.fail(INTERNALS_FAULT_PLACE, with: error)
                    let refused = try Peer.connect(port: worker.listeningPort)
                    try worker.until("refused") { worker.stats.accept_failures == 1 }
                    #expect(refused.sawFinish())
                    let (peer, connection) = try worker.open()
                    try worker.expectAlive(connection, peer)
                    try worker.expectNothingHeld()
                }
            }
        }

        @Test("several rings: what is asked of a connection is asked of its ring, and a paused one hears of a reset")
        func questions() async {
            await #expect(processExitsWith: .success) {
                try limitOpenFiles(to: 60)
                var configuration = oneWorker(.uring)
                configuration.connectionsPerWorker = 61
                let port = try CompletionPort(configuration)
                let worker = try port.attachWorker()
                let address = try port.listen(host: "127.0.0.1", port: 0).address!
                var batch = CompletionBatch()
                var opened: [Connection] = []
                var closed: [Connection] = []
                func turn(until holds: () -> Bool) throws {
                    let end = ContinuousClock.now + .seconds(10)
                    while !holds() {
                        try #require(.now < end)
                        for index in 0..<(try worker.wait(into: &batch, timeout: .milliseconds(10))) {
                            switch batch[index].event {
                            case .opened: opened.append(batch[index].connection!)
                            case .closed: closed.append(batch[index].connection!)
                            default: break
                            }
                        }
                    }
                }
                // 30 places in the first ring; those beyond are in the second.
                var peers: [Peer] = []
                for count in 1...32 {
                    peers.append(try Peer.connect(port: address.port))
                    try turn { opened.count == count }
                }
                for place in [0, 31] {
                    let connection = opened[place]
                    #expect(try worker.peerAddress(of: connection).port == Int(peers[place].localPort))
                    #expect(try worker.localAddress(of: connection).port == address.port)
                    try worker.setOption(.keepAlive, to: place == 31, of: connection)
                }
                #expect(try !worker.option(.keepAlive, of: opened[0]))
                #expect(try worker.option(.keepAlive, of: opened[31]))

                try worker.pauseReceiving(opened[31])
                let enters = port.stats(ofWorker: 0).enters
                try turn { port.stats(ofWorker: 0).enters > enters }
                let reset = peers.removeLast()
                reset.resetOnClose()
                _ = consume reset
                try turn { closed == [opened[31]] }

                // Its other end is a connection of the worker, too.
                let adopted = try Peer.connect(port: address.port)
                try worker.adopt(descriptor: adopted.fd, key: 7)
                try turn { opened.count == 34 }
                #expect(try opened[32...].map { try worker.peerAddress(of: $0).port }.contains(address.port))
            }
        }

        @Test("fewer buffers than two for each ring are refused by name")
        func tooFewBuffers() async {
            await #expect(processExitsWith: .success) {
                try limitOpenFiles(to: 60)
                var configuration = oneWorker(.uring)
                configuration.connectionsPerWorker = 241
                configuration.receiveBuffersPerWorker = 8
                #expect {
                    _ = try CompletionPort(configuration)
                } throws: { error in
                    let error = error as? IOCPError
                    return error?.name == "EINVAL" && error?.detail?.hasPrefix("receiveBuffersPerWorker") == true
                }
            }
        }
    }
}

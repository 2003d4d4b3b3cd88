import Glibc
import IOCP
import Testing

extension RealSockets {
    /// What goes along.
    @Suite(.timeLimit(.minutes(1))) struct MovingKeeps {
        /// To the next worker with every message, and an echo.
        private static let goesOn = MovingBehaviour(received: {
            (bytes: consuming ReceivedBytes, connection: IocpContext<Trip>) throws(IOCPError) in
            try connection.send(bytes)
            let worker = connection.worker
            try connection.move(to: (worker.index + 1) % worker.port.workerCount)
        })

        @Test("timers fire once, where the connection is by then", arguments: testedDrivers)
        func timers(driver: Driver) async throws {
            let rounds: UInt64 = 200
            let behaviour = MovingBehaviour(
                opened: { (connection: IocpContext<Trip>) throws(IOCPError) in
                    for key in 0..<rounds {
                        try connection.worker.startTimer(
                            after: .microseconds(Int(key) * 250), for: connection.connection,
                            key: key << 32 | UInt64(connection.connection.hashValue & 0xffff_ffff))
                    }
                }, received: Self.goesOn.received,
                timerFired: { key, error, connection in
                    if connection == nil || error != nil { #expect(Bool(false), "timer \(key >> 32): \(error as Any)") }
                    connection?.moveSomewhere()
                })
            try await withMovingServer(driver, behaviour) { _, port, journal in
                let peers = try (0..<8).map { _ in try Peer.connect(port: port) }
                try await eventually("all have fired") { journal.snapshot.fired.count >= 8 * Int(rounds) }
                let fired = journal.snapshot.fired
                #expect(fired.count == 8 * Int(rounds) && Set(fired).count == fired.count)
                #expect(journal.snapshot.came > 0)
                for peer in peers {
                    try peer.send([1])
                    #expect(try peer.receive(1) == [1])
                }
            }
        }

        @Test(
            "a timer is cancelled by its name on another worker, and is another's timer there for no name",
            arguments: testedDrivers)
        func cancels(driver: Driver) async throws {
            let names = Locked<[Connection: WorkerTimer]>([:])
            let cancelled = Locked(0)
            let behaviour = MovingBehaviour(
                opened: { (connection: IocpContext<Trip>) throws(IOCPError) in
                    let name = try connection.worker.startTimer(after: .seconds(30), for: connection.connection, key: 7)
                    names.withLock { $0[connection.connection] = name }
                }, received: Self.goesOn.received,
                migrated: { (connection: IocpContext<Trip>, _: Int) throws(IOCPError) in
                    guard connection.state.record.moves == 4 else { return }
                    let name = names.withLock { $0[connection.connection]! }
                    try connection.worker.cancelTimer(name)
                    #expect(
                        refusal { () throws(IOCPError) in try connection.worker.cancelTimer(name) }?.name == "ENOENT")
                },
                timerFired: { key, error, connection in
                    if key == 7, error?.name == "ECANCELED", connection != nil { cancelled.withLock { $0 += 1 } }
                })
            try await withMovingServer(driver, behaviour) { _, port, journal in
                let peers = try (0..<6).map { _ in try Peer.connect(port: port) }
                for round in 1...5 {
                    for peer in peers {
                        try peer.send([1])
                        #expect(try peer.receive(1) == [1])
                    }
                    try await eventually("all have moved") { journal.snapshot.came == 6 * round }
                }
                try await eventually("all are cancelled") { cancelled.withLock { $0 } == 6 }
                #expect(journal.snapshot.fired.isEmpty)
            }
        }

        @Test("a pause and a timeout go along", arguments: testedDrivers)
        func pauses(driver: Driver) async throws {
            let behaviour = MovingBehaviour(
                opened: { (connection: IocpContext<Trip>) throws(IOCPError) in
                    try connection.pauseReceiving()
                    try connection.setTimeouts(ConnectionTimeouts(idle: .milliseconds(400)))
                    try connection.move(to: (connection.worker.index + 1) % 3)
                },
                posted: { (_: UInt64, connection: IocpContext<Trip>) throws(IOCPError) in
                    try connection.resumeReceiving()
                })
            try await withMovingServer(driver, behaviour) { server, port, journal in
                let start = ContinuousClock.now
                let peer = try Peer.connect(port: port)
                try peer.send([1, 2, 3])
                try await eventually("it has moved") { journal.snapshot.came == 1 }
                #expect(!peer.answers(within: .milliseconds(50)))
                try server.port.post(0, to: try #require(journal.snapshot.open.first))
                #expect(try peer.receive(3) == [1, 2, 3])
                #expect(peer.end() != .timeout)
                #expect(ContinuousClock.now - start >= .milliseconds(400))
                try await eventually("it has closed") { journal.snapshot.closed.count == 1 }
                #expect(journal.snapshot.closed.values.first?.reason == .idleTimeout)
            }
        }

        @Test("notifications, watermarks and the listener go along", arguments: testedDrivers)
        func notices(driver: Driver) async throws {
            let told = Locked<[String]>([])
            struct Notified: ConnectionHandler, Handles.Opened, Handles.Migrated, Handles.Sent, Handles.Writable {
                let told: Locked<[String]>
                func opened(_ connection: IocpContext<Void>) throws(IOCPError) {
                    try connection.setWatermarks(Watermarks(low: 1_000, high: 100_000, cap: 8_000_000))
                    try connection.send([UInt8](repeating: 1, count: 6_000_000))
                    try connection.notifyWhenSent(key: 5)
                    try connection.move(to: 1 - connection.worker.index)
                }
                func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {}
                func migrated(_ connection: IocpContext<Void>, from worker: Int) throws(IOCPError) {
                    let error = refusal { () throws(IOCPError) in
                        try connection.send([UInt8](repeating: 1, count: 8_000_000))
                    }
                    let from = connection.listener != nil
                    told.withLock {
                        $0.append("came \(error?.name ?? "") \(from) \(connection.unsentByteCount > 1_000_000)")
                    }
                }
                func sent(key: UInt64, error: IOCPError?, on connection: IocpContext<Void>) throws(IOCPError) {
                    told.withLock { $0.append("sent \(key)") }
                }
                func writable(_ connection: IocpContext<Void>) throws(IOCPError) {
                    told.withLock { $0.append("writable") }
                }
            }
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.workers = 2
            configuration.overflowPolicy = .refuse
            let server = try IOCPServer(configuration) { _ in Notified(told: told) }
            let port = try server.listen(host: "127.0.0.1", port: 0).address!.port
            let peer = try Peer.connect(port: port, receiveBufferBytes: 4096)
            try await eventually("it has moved") { !told.withLock { $0.isEmpty } }
            try await onThreads(1) { _ in
                let bytes = try peer.receive(6_000_000)
                #expect(bytes.count == 6_000_000)
            }
            try await eventually("all is told") { told.withLock { $0.count } >= 3 }
            #expect(told.withLock { $0.first } == "came EAGAIN true true")
            #expect(told.withLock { $0.sorted() }.suffix(2) == ["sent 5", "writable"])
            server.stop()
            try await server.wait()
        }
    }
}

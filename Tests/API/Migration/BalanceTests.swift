import Glibc
import IOCP
import Testing

extension RealSockets {
    @Suite(.timeLimit(.minutes(2))) struct Balances {
        /// Takes a millisecond of the CPU for each message.
        private static func spend() {
            let until = ContinuousClock.now + .milliseconds(1)
            while .now < until {}
        }

        /// All connections on worker 0, each with a message outstanding for as long as `body` runs.
        private static func loaded(
            _ driver: Driver, balances: Bool, body: @escaping @Sendable (CompletionPort) async throws -> Void
        ) async throws {
            var behaviour = MovingBehaviour()
            behaviour.received = { (bytes: consuming ReceivedBytes, connection: IocpContext<Trip>) throws(IOCPError) in
                spend()
                try connection.send(bytes)
            }
            behaviour.posted = { (_: UInt64, connection: IocpContext<Trip>) throws(IOCPError) in try connection.move(to: 0) }
            try await withMovingServer(driver, workers: 2, behaviour, { $0.balancesLoad = balances }) { server, port, journal in
                let peers = try (0..<16).map { _ in try Peer.connect(port: port) }
                try await eventually("all are open") { journal.snapshot.open.count == 16 }
                for name in journal.snapshot.open {
                    while (try? server.port.post(1, to: name)) == nil { usleep(1000) }
                }
                try await eventually("all are on worker 0") { server.port.stats(ofWorker: 0).connections == 16 }
                let ended = Locked(false)
                async let load: Void = onThreads(4) { thread in
                    let mine = stride(from: thread, to: 16, by: 4).map { peers[$0] }
                    for peer in mine { try peer.send([1]) }
                    while !ended.withLock({ $0 }) {
                        for peer in mine {
                            #expect(try peer.receive(1) == [1])
                            try peer.send([1])
                        }
                    }
                }
                let result: Result<Void, any Error>
                do { result = .success(try await body(server.port)) } catch { result = .failure(error) }
                ended.withLock { $0 = true }
                try await load
                try result.get()
            }
        }

        @Test("connections of a worker without time left go to the other one", arguments: testedDrivers)
        func spreads(driver: Driver) async throws {
            try await Self.loaded(driver, balances: true) { port in
                let before = port.stats(ofWorker: 0).migratedOut
                // Where the machine leaves the worker no CPU, it cannot have taken too much of one.
                var strainedWindows = 0
                for _ in 0..<200 where port.stats(ofWorker: 0).migratedOut == before && strainedWindows < 30 {
                    let (from, began) = (port.stats(ofWorker: 0).cpuTime, ContinuousClock.now)
                    try await Task.sleep(for: .milliseconds(100))
                    let share = (port.stats(ofWorker: 0).cpuTime - from) / (ContinuousClock.now - began)
                    strainedWindows = share > 0.9 ? strainedWindows + 1 : 0
                }
                #expect(strainedWindows < 30, "busy for 3 s, and nothing moved")
                if strainedWindows < 30, port.stats(ofWorker: 0).migratedOut == before {
                    Issue.record("the machine left worker 0 too little CPU to be busy: nothing was checked", severity: .warning)
                }
            }
        }

        @Test("without being asked for it nothing moves", arguments: testedDrivers)
        func staysOff(driver: Driver) async throws {
            try await Self.loaded(driver, balances: false) { port in
                let before = port.stats(ofWorker: 0).migratedOut
                try await Task.sleep(for: .seconds(1))
                #expect(port.stats(ofWorker: 0).migratedOut == before)
            }
        }
    }
}

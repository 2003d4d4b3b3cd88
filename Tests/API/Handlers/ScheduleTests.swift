import IOCP
import SharedHarness
import Testing

extension RealSockets {
    /// Closures that a worker runs later.
    @Suite struct Scheduling {
        @Test("closures run once, not early, beside timers whose keys are their names", arguments: testedDrivers)
        func beside(driver: Driver) async throws {
            let ran = Fired()
            let fired = Fired()
            var behaviour = Behaviour()
            behaviour.timerFired = { key, error, _ throws(IOCPError) in fired.add(key, error) }
            behaviour.posted = { _, _, worker throws(IOCPError) in
                let start = ContinuousClock.now
                for key: UInt64 in 0..<100 {
                    ran.expect(key, notBefore: start + .milliseconds(Int(key)))
                    try worker.schedule(after: .milliseconds(key)) { ran.add(key, nil) }
                    // The name of a timer begins with 1 << 20, and counts on from there.
                    fired.expect(1 << 20 + key, notBefore: start + .milliseconds(Int(key)))
                    try worker.startTimer(after: .milliseconds(key), key: 1 << 20 + key)
                }
            }
            try await withServer(driver, { $0.workers = 1 }, behaviour) { server, _, _ in
                try server.port.post(1, toWorker: 0)
                try await eventually("all of both kinds") { ran.count >= 100 && fired.count >= 100 }
                #expect(ran.count == 100 && ran.early.isEmpty)
                #expect(fired.count == 100 && fired.early.isEmpty && fired.errors.isEmpty)
            }
        }

        @Test("a cancelled closure is dropped at once, and nothing follows", arguments: testedDrivers)
        func cancelled(driver: Driver) async throws {
            let told = Arrivals()
            var behaviour = Behaviour()
            behaviour.timerFired = { key, _, _ throws(IOCPError) in told.append(key) }
            behaviour.posted = { _, _, worker throws(IOCPError) in
                let held = Held()
                let timer = try worker.schedule(after: .seconds(60)) { [object = held.take()!] in
                    told.append(object.number)
                }
                #expect(held.isAlive)
                try worker.cancelTimer(timer)
                #expect(!held.isAlive)
                #expect(refusal { () throws(IOCPError) in try worker.cancelTimer(timer) }?.name == "ENOENT")
                // Of two that are due in one batch, the one that runs cancels the other.
                let timers = Locked<[WorkerTimer]>([])
                for other in [1, 0] {
                    let timer = try worker.schedule(after: .zero) {
                        try worker.cancelTimer(timers.withLock { $0[other] })
                        told.append(1)
                    }
                    timers.withLock { $0.append(timer) }
                }
                try worker.schedule(after: .milliseconds(30)) { told.append(2) }
            }
            try await withServer(driver, { $0.workers = 1 }, behaviour) { server, _, _ in
                try server.port.post(1, toWorker: 0)
                try await eventually("the last one ran") { told.values.contains(2) }
                #expect(told.values == [1, 2])
                #expect(server.port.stats(ofWorker: 0).handlerErrors == 0)
            }
        }

        @Test("closures are of the worker's timers: no more than configured", arguments: testedDrivers)
        func bounded(driver: Driver) async throws {
            let refusals = Locked<[String?]>([])
            var behaviour = Behaviour()
            behaviour.posted = { _, _, worker throws(IOCPError) in
                let first = try worker.schedule(after: .seconds(60)) {}
                try worker.startTimer(after: .seconds(60), key: 1)
                let third = refusal { () throws(IOCPError) in try worker.schedule(after: .zero) {} }
                try worker.cancelTimer(first)
                let fourth = refusal { () throws(IOCPError) in try worker.schedule(after: .zero) {} }
                refusals.withLock { $0 = [third?.name, fourth?.name] }
            }
            try await withServer(driver, { ($0.workers, $0.timersPerWorker) = (1, 2) }, behaviour) { server, _, _ in
                try server.port.post(1, toWorker: 0)
                try await eventually("tried") { !refusals.withLock { $0.isEmpty } }
                #expect(refusals.withLock { $0 } == ["ENOBUFS", nil])
            }
        }

        @Test("a stop and a closed connection drop closures unrun", arguments: testedDrivers)
        func dropped(driver: Driver) async throws {
            let ran = Arrivals()
            let helds = Locked<[Held]>([])
            var behaviour = Behaviour()
            behaviour.received = { _, connection throws(IOCPError) in
                let (ofWorker, ofConnection) = (Held(), Held())
                let worker = connection.worker
                // It holds its worker, which is no leak.
                try worker.schedule(after: .seconds(60)) { [object = ofWorker.take()!] in
                    ran.append(object.number + UInt64(worker.index))
                }
                try worker.schedule(after: .milliseconds(20), for: connection.connection) {
                    [object = ofConnection.take()!] in ran.append(object.number)
                }
                helds.withLock { $0 = [ofWorker, ofConnection] }
                connection.abort()
            }
            try await withServer(driver, { $0.workers = 1 }, behaviour) { server, port, ledger in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                try await eventually("closed") { ledger.snapshot.closed.count == 1 }
                try await eventually("dropped") { !helds.withLock { $0[1].isAlive } }
                #expect(helds.withLock { $0[0].isAlive })
            }
            #expect(ran.values.isEmpty && !helds.withLock { $0[0].isAlive })
        }

        @Test("what a handler's maker scheduled goes with it", arguments: testedDrivers)
        func unmade(driver: Driver) throws {
            let held = Locked(Held())
            let server = try IOCPServer<Silent>(oneWorker(driver)) { worker throws(IOCPError) in
                let object = held.withLock { $0.take()! }
                try worker.schedule(after: .seconds(60)) { print(object.number, worker.index) }
                throw IOCPError(code: 5)
            }
            #expect(refusal { () throws(IOCPError) in try server.wait() }?.name == "EIO")
            #expect(!held.withLock { $0.isAlive })
        }

        @Test("a loop of one's own takes timers with keys", arguments: testedDrivers)
        func rawStyle(driver: Driver) async throws {
            try await onThreads(1) { _ in
                let worker = try CompletionPort(oneWorker(driver)).attachWorker()
                var batch = CompletionBatch()
                // One is scheduled first: only a handler runs it.
                let timer = try worker.schedule(after: .zero) {}
                let wait = refusal { () throws(IOCPError) in _ = try worker.wait(into: &batch, timeout: .zero) }
                #expect(wait?.name == "EBUSY" && "\(wait!)".contains("closures are scheduled on this worker"))
                try worker.cancelTimer(timer)
                // One is scheduled later.
                _ = try worker.wait(into: &batch, timeout: .zero)
                let schedule = refusal { () throws(IOCPError) in try worker.schedule(after: .zero) {} }
                #expect(schedule?.name == "EBUSY" && schedule.map { ErrorSentences.due($0) } == schedule?.description)
                let elsewhere = elsewhere {
                    refusal { () throws(IOCPError) in try worker.schedule(after: .zero) {} }
                }
                #expect(elsewhere?.name == "EPERM")
            }
        }
    }
}

/// Tells whether what it made is still alive.
private final class Held: @unchecked Sendable {
    // @unchecked: used by one worker's thread, and by the test once that is done.
    final class Object {
        let number: UInt64 = 7
    }
    private var object: Object? = Object()
    private weak var seen: Object?

    init() { seen = object }

    func take() -> Object? { object.take() }
    var isAlive: Bool { seen != nil }
}

import IOCP
import Testing

extension RealSockets {
    /// Timers of a server's worker and of its connections.
    @Suite struct Timers {
        @Test("timers fire once, not early; cancelled ones and those of closed connections say so", arguments: testedDrivers)
        func timers(driver: Driver) async throws {
            let fired = Fired()
            var behaviour = Behaviour()
            let closed = Locked<Connection?>(nil)
            behaviour.opened = { connection throws(IOCPError) in
                let name = connection.connection
                closed.withLock { $0 = name }
            }
            behaviour.posted = { value, _, worker throws(IOCPError) in
                if value == 2 {
                    let name = closed.withLock { $0 }!
                    try worker.startTimer(after: .zero, for: name, key: 600)
                    return
                }
                let start = ContinuousClock.now
                for key in 0..<100 {
                    try worker.startTimer(after: .milliseconds(key), key: UInt64(key))
                    fired.expect(UInt64(key), notBefore: start + .milliseconds(key))
                }
                let cancelled = try worker.startTimer(after: .seconds(60), key: 500)
                try worker.cancelTimer(cancelled)
                #expect(refusal { () throws(IOCPError) in try worker.cancelTimer(cancelled) }?.name == "ENOENT")
            }
            behaviour.received = { _, connection throws(IOCPError) in connection.close() }
            behaviour.timerFired = { key, error, _ throws(IOCPError) in fired.add(key, error) }
            try await withServer(driver, { $0.workers = 1 }, behaviour) { server, port, ledger in
                try server.port.post(1, toWorker: 0)
                try await eventually("101 timers") { fired.count == 101 }
                #expect(fired.early.isEmpty)
                #expect(fired.errors == [500: "ECANCELED"])
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                #expect(peer.end() == .finished)
                peer.finishSending()
                try await eventually("closed") { ledger.snapshot.closed == [.local] }
                try server.port.post(2, toWorker: 0)
                try await eventually("the closed connection's timer") { fired.count == 102 }
                #expect(fired.errors == [500: "ECANCELED", 600: "ECANCELED"])
            }
        }
    }
}

/// What timers did, by key.
final class Fired: Sendable {
    private struct Entries {
        var due: [UInt64: ContinuousClock.Instant] = [:]
        var early: [UInt64] = []
        var errors: [UInt64: String] = [:]
        var count = 0
    }
    private let entries = Locked(Entries())

    func expect(_ key: UInt64, notBefore due: ContinuousClock.Instant) { entries.withLock { $0.due[key] = due } }

    func add(_ key: UInt64, _ error: IOCPError?) {
        let now = ContinuousClock.now
        entries.withLock {
            $0.count += 1
            if let error { $0.errors[key] = error.name }
            if let due = $0.due[key], now < due { $0.early.append(key) }
        }
    }

    var count: Int { entries.withLock { $0.count } }
    var early: [UInt64] { entries.withLock { $0.early } }
    var errors: [UInt64: String] { entries.withLock { $0.errors } }
}

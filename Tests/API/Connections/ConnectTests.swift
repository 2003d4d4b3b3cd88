import CIOCPInternals
import Glibc
import IOCP
import SharedHarness
import Testing

extension RealSockets {
    /// Connects that are not answered, or given up: each ends once.
    @Suite struct Connects {
        @Test("a connect that nobody answers times out, once and not early", arguments: testedDrivers)
        func timesOut(driver: Driver) throws {
            let silent = try SilentListener()
            let worker = try FaultyWorker(driver)
            #expect(worker.connect(port: silent.port, timeoutNs: 86_400_000_000_001) == -ERANGE)
            let start = ContinuousClock.now
            #expect(worker.connect(port: silent.port, key: 1, timeoutNs: 100_000_000) == 0)
            #expect(worker.connect(port: silent.port, key: 2) == 0)
            #expect(worker.connect(key: 3, timeoutNs: 5_000_000_000) == 0)
            try worker.until("timed out") { worker.failed.count == 1 && worker.opened.count == 2 }
            #expect(ContinuousClock.now - start >= .milliseconds(100))
            #expect(worker.failed[0].result == -ETIMEDOUT && worker.failed[0].key == 1)
            #expect(worker.stats.timeouts == 1)
            // A timeout that is over does nothing to what opened in time, and none ends no connect.
            worker.pass(milliseconds: 10_000)
            for _ in 0..<20 { worker.turn() }
            #expect(worker.failed.count == 1 && worker.closed.isEmpty)
            let pending = try #require(worker.connecting.first { token in
                !worker.opened.contains(token) && worker.failed.allSatisfy { $0.connection != token }
            })
            #expect(worker.giveUp(pending) == 0 && worker.giveUp(pending) == -ENOTCONN)
            try worker.until("given up") { worker.failed.count == 2 }
            #expect(worker.failed[1].result == -ECANCELED && worker.failed[1].key == 2)
            for open in worker.opened { #expect(worker.giveUp(open) == -ENOTCONN) }
            for _ in 0..<20 { worker.turn() }
            #expect(worker.closed.isEmpty, "giving up ends no connection that opened")
            try worker.expectNothingHeld()
        }

        @Test("a refused connect ends before its timeout, and as refused", arguments: testedDrivers)
        func refused(driver: Driver) throws {
            let worker = try FaultyWorker(driver)
            #expect(worker.connect(port: 1, key: 9, timeoutNs: 50_000_000) == 0)
            try worker.until("refused") { worker.failed.count == 1 }
            worker.pass(milliseconds: 1_000)
            #expect(worker.failed.map(\.result) == [-ECONNREFUSED] && worker.stats.timeouts == 0)
            try worker.expectNothingHeld()
        }

        @Test("a client's connect times out, and can be given up from another thread", arguments: testedDrivers)
        func client(driver: Driver) async throws {
            let silent = try SilentListener()
            try await withServer(driver) { _, port, _ in
                try await withClient(driver) { client, log in
                    let address = try SocketAddress(host: "127.0.0.1", port: silent.port)
                    let limited = try client.connect(to: address, key: 1, timeout: .milliseconds(100))
                    let pending = try client.connect(to: address, key: 2)
                    let open = try client.connect(to: address.with(port: UInt16(port)), key: 3)
                    try await eventually("one opened, one timed out") { log.events.count == 2 }
                    #expect(Set(log.events) == ["3 opened", "1 ETIMEDOUT"])
                    try pending.cancel()
                    try pending.cancel()
                    try limited.cancel()
                    try open.cancel()
                    try await eventually("given up") { log.events.count == 3 }
                    #expect(log.events.last == "2 ECANCELED")
                    let error = refusal { () throws(IOCPError) in try client.connect(to: address, onWorker: 1) }
                    #expect(error?.name == "EINVAL")
                }
            }
        }

        @Test("an attempt that nobody answers makes room for the next address", arguments: testedDrivers)
        func nextAddress(driver: Driver) async throws {
            try await withServer(driver) { _, port, _ in
                let silent = try SilentListener(host: 2, port: port)
                internals_name_set("silent-first.test", "127.0.0.2 127.0.0.1", 0, 0)
                internals_name_set("refused-first.test", "::1 127.0.0.1", 0, 0)
                internals_name_set("one-in-two.test", "::1 ::ffff:127.0.0.1 127.0.0.1", 0, 0)
                try await withClient(driver) { client, log in
                    let start = ContinuousClock.now
                    try client.connect(host: "silent-first.test", port: port, key: 1)
                    try await eventually("opened") { log.events.count == 1 }
                    #expect(ContinuousClock.now - start >= .milliseconds(240))
                    try client.connect(host: "refused-first.test", port: port, key: 2)
                    try await eventually("opened") { log.events.count == 2 }
                    // Families take turns: the mapped address would have been the third.
                    try client.connect(host: "one-in-two.test", port: port, key: 3)
                    try client.connect(host: "127.0.0.1", port: port, key: 4)
                    try await eventually("opened") { log.events.count == 4 }
                    #expect(Set(log.events) == ["1 opened", "2 opened", "3 opened", "4 opened"])
                    #expect(log.peers.allSatisfy { !$0.isIPv6 && $0.host == "127.0.0.1" })
                }
                _ = silent
            }
        }

        @Test("a host that cannot be reached fails once, with the latest error", arguments: testedDrivers)
        func unreachable(driver: Driver) async throws {
            let silent = try SilentListener(host: 2)
            internals_name_set("nobody.test", "127.0.0.1 ::1", 0, 0)
            internals_name_set("silent.test", "127.0.0.2 127.0.0.2 127.0.0.2", 0, 0)
            internals_name_set("mixed.test", "127.0.0.3 127.0.0.2", 0, 0)
            internals_name_set("no-name.test", "", EAI_NONAME, 0)
            internals_name_set("no-resolver.test", "", EAI_AGAIN, 0)
            try await withClient(driver) { client, log in
                try client.connect(host: "nobody.test", port: 1, key: 1)
                try client.connect(host: "silent.test", port: silent.port, key: 2, timeout: .milliseconds(400))
                let pending = try client.connect(host: "mixed.test", port: silent.port, key: 3)
                try client.connect(host: "no-name.test", port: 80, key: 4)
                try client.connect(host: "no-resolver.test", port: 80, key: 5)
                try await eventually("four failed") { log.events.count == 4 }
                #expect(Set(log.events) == ["1 ECONNREFUSED", "2 ETIMEDOUT", "4 EINVAL", "5 EAGAIN"])
                try pending.cancel()
                try await eventually("given up") { log.events.count == 5 }
                #expect(log.events.last == "3 ECANCELED")
                #expect(refusal { () throws(IOCPError) in try client.connect(host: "a", port: 0) }?.name == "ERANGE")
            }
        }

        @Test("a stop does not wait for a resolver, and what it was asked ends", arguments: testedDrivers)
        func slowResolver(driver: Driver) async throws {
            internals_name_set("slow.test", "127.0.0.1", 0, 1_500)
            let log = ConnectLog()
            let start = ContinuousClock.now
            try await withClient(driver, log: log) { client, _ in
                try client.connect(host: "slow.test", port: 1, key: 1)
                try client.connect(host: "slow.test", port: 1, key: 2).cancel()
                try await eventually("given up") { log.events.count == 1 }
            }
            #expect(log.events == ["2 ECANCELED", "1 ECANCELED"])
            #expect(ContinuousClock.now - start < .milliseconds(1_400))
            // Its answers come to nobody.
            try await Task.sleep(for: .milliseconds(1_600))
            #expect(log.events.count == 2)
        }
    }
}

/// What a client's connects came to, as "key event".
final class ConnectLog: Sendable {
    private let storage = Locked<(events: [String], peers: [SocketAddress])>(([], []))
    var events: [String] { storage.withLock { $0.events } }
    var peers: [SocketAddress] { storage.withLock { $0.peers } }
    func append(_ event: String, peer: SocketAddress? = nil) {
        storage.withLock {
            $0.events.append(event)
            if let peer { $0.peers.append(peer) }
        }
    }
}

private struct LoggingHandler: ConnectionHandler {
    let log: ConnectLog
    func opened(_ connection: IocpContext<Void>) throws(IOCPError) {
        log.append("\(connection.key) opened", peer: try connection.peerAddress())
    }
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) {}
    func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) { log.append("\(key) \(error.name)") }
    func stopped(on worker: Worker) { if !worker.holdings.isEmpty { log.append("holds \(worker.holdings)") } }
}

private func withClient(
    _ driver: Driver, log: ConnectLog = ConnectLog(),
    _ body: (IOCPClient<LoggingHandler>, ConnectLog) async throws -> Void
) async throws {
    var configuration = PortConfiguration()
    configuration.driver = driver
    configuration.workers = 1
    let client = try IOCPClient(configuration) { _ in LoggingHandler(log: log) }
    let result: Result<Void, any Error>
    do {
        try await body(client, log)
        result = .success(())
    } catch {
        result = .failure(error)
    }
    client.stop()
    try await client.wait()
    try result.get()
    #expect(log.events.allSatisfy { !$0.hasPrefix("holds") })
}

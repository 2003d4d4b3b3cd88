import Glibc
import IOCP
import SharedHarness
import Testing

/// One request of a client: a line that an upstream connection echoes.
private struct PooledProxy: ConnectionHandler, Handles.Started, Handles.Opened, Handles.ConnectFailed, Handles.Closed,
    Handles.Stopping, Handles.Posted
{
    final class Link {
        var client: IocpContext<Link>?
    }

    let upstream: UpstreamPool<Link>
    let seen: Locked<[String]>

    func makeState() -> Link { Link() }
    func started(on worker: Worker) throws(IOCPError) { upstream.open() }

    func opened(_ connection: IocpContext<Link>) throws(IOCPError) {
        if connection.key == upstream.key { return upstream.opened(connection) }
    }

    func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) { upstream.connectFailed(error) }

    func received(_ bytes: RawSpan, on connection: IocpContext<Link>) throws(IOCPError) {
        if connection.key == upstream.key {
            try connection.state.client?.send(bytes)
            connection.state.client = nil
            return upstream.giveBack(connection)
        }
        let request = Array(bytes)
        upstream.take { result in
            switch result {
            case .success(let lent):
                lent.state.client = connection
                try? lent.send(request)
            case .failure(let error): try? connection.send("! \(error.name)\n")
            }
        }
    }

    func closed(_ connection: IocpContext<Link>, reason: CloseReason) {
        if connection.key == upstream.key { upstream.closed(connection) }
    }

    /// Writes down what the pool has now.
    func posted(_ value: UInt64, to connection: IocpContext<Link>?, on worker: Worker) throws(IOCPError) {
        let pool = upstream
        let state = "\(pool.idleCount) idle, \(pool.lentCount) lent, \(pool.waitingCount) waiting"
        seen.withLock { $0.append(state + (pool.isHealthy ? "" : ", \(pool.failure?.name ?? "?")")) }
    }

    func stopping(_ connections: borrowing ConnectionPool<Link>, on worker: Worker) throws(IOCPError) {
        upstream.close()
    }
}

private struct EchoLines: ConnectionHandler {
    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {
        try connection.send(bytes)
    }
}

extension RealSockets {
    @Suite(.timeLimit(.minutes(2))) struct UpstreamTests {
        private final class Setup {
            let proxy: IOCPServer<PooledProxy>
            let port: Int
            private let seen = Locked<[String]>([])

            init(_ driver: Driver, to destination: Int, _ limits: UpstreamPool<PooledProxy.Link>.Limits) throws {
                let endpoint = Endpoint.tcp(try SocketAddress(host: "127.0.0.1", port: destination))
                let seen = seen
                proxy = try IOCPServer(oneWorker(driver)) { worker throws(IOCPError) in
                    PooledProxy(
                        upstream: try UpstreamPool(
                            to: [endpoint], on: worker, key: 7, limits: limits,
                            backoff: Backoff(initial: .milliseconds(5), maximum: .milliseconds(20))),
                        seen: seen)
                }
                port = try proxy.listen(host: "127.0.0.1", port: 0).address!.port
            }

            func state() async throws -> String {
                let before = seen.withLock(\.count)
                try proxy.port.post(0, toWorker: 0)
                try await eventually("the pool told") { seen.withLock { $0.count > before } }
                return seen.withLock { $0.last! }
            }

            func becomes(_ expected: String) async throws {
                for _ in 0..<2_000 {
                    if try await state().contains(expected) { return }
                    try await Task.sleep(for: .milliseconds(5))
                }
                Issue.record("not \(expected), but \(try await state())")
            }

            func stop() throws {
                proxy.stop(drainingFor: .seconds(2))
                try proxy.wait()
            }
        }

        private func destination(_ driver: Driver, port: Int = 0) throws -> (IOCPServer<EchoLines>, port: Int) {
            let server = try IOCPServer(oneWorker(driver)) { _ in EchoLines() }
            return (server, try server.listen(host: "127.0.0.1", port: port).address!.port)
        }

        private func ask(_ peer: Peer, _ line: String, _ answer: String? = nil) throws {
            try peer.send(line.utf8)
            let expected = answer ?? line
            #expect(String(decoding: try peer.receive(expected.utf8.count), as: UTF8.self) == expected)
        }

        @Test("few connections serve many users, each alone", arguments: testedDrivers)
        func lends(driver: Driver) async throws {
            let (server, port) = try destination(driver)
            let setup = try Setup(driver, to: port, .init(minimum: 2, maximum: 3))
            try await setup.becomes("2 idle, 0 lent, 0 waiting")
            let proxyPort = setup.port
            try await onThreads(8) { thread in
                let peer = try Peer.connect(port: proxyPort)
                for round in 0..<100 { try ask(peer, "request \(thread)-\(round)\n") }
            }
            #expect(server.port.stats(ofWorker: 0).accepted <= 3)
            try setup.stop()
            server.stop()
            try await server.wait()
        }

        @Test("a destination that is away is tried again, and users wait for it until their time is over", arguments: testedDrivers)
        func away(driver: Driver) async throws {
            let (first, port) = try destination(driver)
            var limits = UpstreamPool<PooledProxy.Link>.Limits(minimum: 1, maximum: 2, waiting: 2)
            limits.waitTimeout = .milliseconds(300)
            let setup = try Setup(driver, to: port, limits)
            try await setup.becomes("1 idle, 0 lent, 0 waiting")
            first.stop()
            try await first.wait()
            try await setup.becomes("0 idle, 0 lent, 0 waiting, ECONNREFUSED")
            let peers = try (0..<3).map { _ in try Peer.connect(port: setup.port) }
            for peer in peers.prefix(2) { try peer.send("x\n".utf8) }
            try await setup.becomes("2 waiting")
            try ask(peers[2], "one too many\n", "! ENOBUFS\n")
            for peer in peers.prefix(2) {
                #expect(try peer.receive(12) == Array("! ETIMEDOUT\n".utf8))
            }
            let (second, _) = try destination(driver, port: port)
            try await setup.becomes("1 idle, 0 lent, 0 waiting")
            for peer in peers { try ask(peer, "served again\n") }
            try setup.stop()
            second.stop()
            try await second.wait()
        }

        @Test("a stop ends the wait of users before their connections end", arguments: testedDrivers)
        func stop(driver: Driver) async throws {
            let silent = try SilentListener()
            let setup = try Setup(driver, to: silent.port, .init(maximum: 1))
            let peer = try Peer.connect(port: setup.port)
            try peer.send("x\n".utf8)
            try await setup.becomes("0 idle, 0 lent, 1 waiting")
            setup.proxy.stop(drainingFor: .seconds(2))
            #expect(try peer.receive(12) == Array("! ESHUTDOWN\n".utf8))
            #expect(peer.end() == .finished)
            try await setup.proxy.wait()
        }

        @Test("limits out of order are refused", arguments: testedDrivers)
        func limits(driver: Driver) throws {
            typealias Limits = UpstreamPool<PooledProxy.Link>.Limits
            let wrong = [
                Limits(minimum: -1), Limits(minimum: 3, maximum: 2), Limits(maximum: 0), Limits(waiting: -1),
                Limits(waitTimeout: .zero), Limits(connectTimeout: .seconds(-1)),
            ]
            for limits in wrong {
                let endpoint = Endpoint.tcp(try SocketAddress(host: "127.0.0.1", port: 1))
                // Made on the worker's thread, so the server ends with what it throws.
                let error = refusal { () throws(IOCPError) in
                    let server = try IOCPServer(oneWorker(driver)) { worker throws(IOCPError) in
                        PooledProxy(
                            upstream: try UpstreamPool(to: [endpoint], on: worker, key: 7, limits: limits), seen: Locked([]))
                    }
                    try server.wait()
                }
                #expect(error?.name == "EINVAL" && error?.operation == .upstream)
            }
        }
    }
}

@Suite struct BackoffTests {
    @Test func delaysDoubleUpToTheirMaximumAndVary() {
        var random = SplitMix64(seed: 1)
        let backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(2))
        for (failures, whole) in [(0, 100), (1, 100), (2, 200), (3, 400), (5, 1_600), (6, 2_000), (90, 2_000), (Int.max, 2_000)] {
            var delays: [Duration] = []
            for _ in 0..<200 { delays.append(backoff.delay(afterFailures: failures, using: &random)) }
            #expect(delays.allSatisfy { $0 >= .milliseconds(whole) / 2 && $0 <= .milliseconds(whole) })
            #expect(delays.max()! - delays.min()! > .milliseconds(whole) / 4)
        }
    }

    @Test func boundsOutOfOrderAreTheNearestThatAreNot() {
        #expect(Backoff(initial: .zero, maximum: .seconds(-1)) == Backoff(initial: .milliseconds(1), maximum: .milliseconds(1)))
    }
}

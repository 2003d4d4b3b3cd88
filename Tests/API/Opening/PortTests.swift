import CIOCPInternals
import ChildProcesses
import Glibc
import IOCP
import Testing

extension RealSockets {
    @Suite struct Port {
        @Test("posts from 8 threads arrive exactly once, in the order of each thread", arguments: testedDrivers)
        func posts(driver: Driver) async throws {
            let perThread = 20_000
            let sink = Arrivals()
            var behaviour = Behaviour()
            behaviour.posted = { value, _, _ throws(IOCPError) in sink.append(value) }
            try await withServer(driver, { _ in }, behaviour) { server, _, _ in
                try await onThreads(8) { thread in
                    for index in 0..<perThread {
                        // A full mailbox refuses at the call: the poster decides, here to try again.
                        while true {
                            do throws(IOCPError) {
                                try server.port.post(UInt64(thread) << 32 | UInt64(index), toWorker: thread % 2)
                                break
                            } catch {
                                try #require(error.name == "EAGAIN")
                                sched_yield()
                            }
                        }
                    }
                }
                try await eventually("all posts") { sink.count == 8 * perThread }
            }
            var arrived = [[UInt64]](repeating: [], count: 8)
            for value in sink.values { arrived[Int(value >> 32)].append(value & 0xffff_ffff) }
            #expect(arrived.allSatisfy { $0 == Array(0..<UInt64(perThread)) })
        }

        @Test("a post to a connection names it, and a gone connection is nil", arguments: testedDrivers)
        func postToConnection(driver: Driver) async throws {
            let sink = Arrivals()
            let keep = Names()
            var behaviour = Behaviour()
            behaviour.opened = { connection throws(IOCPError) in keep.append(connection.connection) }
            behaviour.posted = { value, connection, _ throws(IOCPError) in
                sink.append(value << 1 | (connection == nil ? 1 : 0))
                try connection?.send("posted")
            }
            try await withServer(driver, { _ in }, behaviour) { server, port, ledger in
                do {
                    let peer = try Peer.connect(port: port)
                    try await eventually("opened") { keep.all.count == 1 }
                    try server.port.post(5, to: keep.all[0])
                    #expect(try peer.receive(6) == Array("posted".utf8))
                }
                try await eventually("closed") { ledger.snapshot.closed.count == 1 }
                try server.port.post(6, to: keep.all[0])
                try await eventually("second post") { sink.count == 2 }
                #expect(sink.values == [5 << 1, 6 << 1 | 1])
            }
        }

        @Test("a stopped port refuses posts", arguments: testedDrivers)
        func postAfterStop(driver: Driver) async throws {
            try await withServer(driver) { server, _, _ in
                server.stop()
                try server.wait()
                let error = #expect(throws: IOCPError.self) { try server.port.post(1, toWorker: 0) }
                #expect(error?.name == "ESHUTDOWN")
            }
        }

        @Test("listening where somebody listens names the cause and the remedy", arguments: testedDrivers)
        func portInUse(driver: Driver) async throws {
            try await withServer(driver) { server, port, _ in
                let error = #expect(throws: IOCPError.self) { try server.listen(host: "127.0.0.1", port: port) }
                #expect(error?.name == "EADDRINUSE")
                #expect(error?.remedy != nil)
            }
        }

        @Test(
            "a wrong host or port is refused by name",
            arguments: [
                ("no.such.host.invalid", 80, "EINVAL"), ("127.0.0.1", 65_536, "ERANGE"), ("127.0.0.1", -1, "ERANGE"),
                ("8.8.8.8", 0, "EADDRNOTAVAIL"),
            ])
        func wrongAddress(host: String, port: Int, name: String) async throws {
            internals_name_set("no.such.host.invalid", "", EAI_NONAME, 0)
            try await withServer(.uring) { server, _, _ in
                let error = #expect(throws: IOCPError.self) { try server.listen(host: host, port: port) }
                #expect(error?.name == name)
                #expect(error?.remedy != nil)
            }
        }

        @Test("IPv6 works like IPv4", arguments: testedDrivers)
        func ipv6(driver: Driver) async throws {
            let finished = Arrivals()
            var behaviour = Behaviour()
            behaviour.opened = { connection throws(IOCPError) in
                if try connection.peerAddress().isIPv6 { finished.append(1) }
            }
            try await withServer(driver, { _ in }, behaviour) { server, _, _ in
                let address = try server.listen(host: "::1", port: 0).address!
                #expect(address.description == "[::1]:\(address.port)")
                let client = try IOCPClient { _ in Quiet() }
                try client.connect(to: address)
                try await eventually("opened with an IPv6 peer") { finished.count == 1 }
                client.stop()
                try await client.wait()
            }
        }

        @Test("slots full: nobody is dropped, and the backlog is served as slots become free", arguments: testedDrivers)
        func slotsFull(driver: Driver) async throws {
            try await withServer(
                driver,
                {
                    $0.workers = 1
                    $0.connectionsPerWorker = 8
                }
            ) { _, port, ledger in
                var peers = try (0..<24).map { _ in try Peer.connect(port: port) }
                for (index, peer) in peers.enumerated() { try peer.send([UInt8(index)]) }
                try await eventually("8 open") { ledger.snapshot.opened == 8 }
                for index in 0..<24 {
                    #expect(try peers[0].receive(1) == [UInt8(index)])
                    peers.removeFirst()
                }
                #expect(ledger.snapshot.opened == 24)
            }
        }

        @Test("the pages of a worker's arena lie on its node (move_pages)", arguments: testedDrivers)
        func arenaOnNode(driver: Driver) async throws {
            let pages = Arrivals()
            var behaviour = Behaviour()
            behaviour.posted = { _, _, worker throws(IOCPError) in
                let (resident, onNode) = try worker.arenaPages()
                pages.append(UInt64(resident))
                pages.append(UInt64(onNode))
            }
            try await withServer(driver, { $0.workers = 1 }, behaviour) { server, port, _ in
                try echo(1 << 20, chunk: 65_536, port: port, seed: 1)
                try server.port.post(0, toWorker: 0)
                try await eventually("an answer") { pages.count == 2 }
                #expect(pages.values[0] > 16, "a megabyte went through them")
                #expect(pages.values[0] == pages.values[1])
            }
        }

        /// Its rings outlive a killed process for some milliseconds, and what listens in them.
        @Test("what a killed server listened on can be listened on at once", arguments: testedDrivers)
        func afterKill(driver: Driver) throws {
            let folder = try TemporaryFolder()
            let free = try CompletionPort().listen(host: "127.0.0.1", port: 0).address!.port
            let endpoints: [Endpoint] = [
                .tcp(try SocketAddress(host: "127.0.0.1", port: free)), .unix(try UnixAddress(path: folder.path + "/again.sock")),
                .unix(try UnixAddress(abstract: "iocp-again-\(getpid())")),
            ]
            let places = [
                ["--host", "127.0.0.1", "--port", "\(free)"], ["--unix", folder.path + "/again.sock"],
                ["--unix", "@iocp-again-\(getpid())"],
            ]
            for (endpoint, place) in zip(endpoints, places) {
                for _ in 0..<5 {
                    let server = try ChildProcess("iocp", ["serve", "--workers", "1", "--driver", "\(driver)"] + place)
                    _ = try server.line(of: .output, beginning: "listening on ")
                    server.signal(SIGKILL)
                    #expect(try server.end() == -SIGKILL)
                    let port = try CompletionPort()
                    try port.listen(on: endpoint)
                }
            }
        }
    }
}

struct Quiet: ConnectionHandler {
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) {}
}

final class Arrivals: Sendable {
    private let storage = Locked<[UInt64]>([])
    func append(_ value: UInt64) { storage.withLock { $0.append(value) } }
    var count: Int { storage.withLock { $0.count } }
    var values: [UInt64] { storage.withLock { $0 } }
}

final class Names: Sendable {
    private let storage = Locked<[Connection]>([])
    func append(_ value: Connection) { storage.withLock { $0.append(value) } }
    var all: [Connection] { storage.withLock { $0 } }
}

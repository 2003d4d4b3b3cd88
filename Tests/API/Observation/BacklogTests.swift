import Glibc
import IOCP
import Testing

extension RealSockets {
    /// What waits in the backlogs of listeners, and what they dropped.
    @Suite struct Backlogs {
        /// A post holds the worker's thread until it is let go.
        private static func stalling(until goesOn: Locked<Bool>) -> Behaviour {
            var behaviour = Behaviour()
            behaviour.posted = { _, _, _ throws(IOCPError) in
                while !goesOn.withLock({ $0 }) { usleep(1_000) }
            }
            return behaviour
        }

        /// Its worker runs a handler that does not return.
        private static func stall(_ server: AuditedServer) async throws {
            try await eventually("it sleeps") { server.port.stats(ofWorker: 0).isAsleep }
            try server.port.post(1, toWorker: 0)
            try await eventually("it stalls") { !server.port.stats(ofWorker: 0).isAsleep }
        }

        /// A client whose handshake may never end.
        private static func attempt(port: Int) -> Peer {
            let fd = socket(
                AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = UInt16(port).bigEndian
            address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
            _ = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    Glibc.connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            return Peer(fd)
        }

        @Test("clients that come while a handler stalls are told", arguments: testedDrivers)
        func waiting(driver: Driver) async throws {
            let goesOn = Locked(false)
            try await withServer(driver, { $0.workers = 1; $0.listenBacklog = 64 }, Self.stalling(until: goesOn)) {
                server, port, _ in
                try await Self.stall(server)
                var peers: [Peer] = []
                for count in 1...5 {
                    peers.append(try Peer.connect(port: port))
                    try await eventually("\(count) wait") { server.port.stats(ofWorker: 0).waitingClients == count }
                }
                #expect(server.port.stats(ofWorker: 0).backlogLimit == 64)
                #expect(server.port.prometheusText().contains("iocp_waiting_clients{worker=\"0\"} 5\n"))
                goesOn.withLock { $0 = true }
                try await eventually("nobody waits") {
                    let stats = server.port.stats(ofWorker: 0)
                    return stats.accepted == 5 && stats.waitingClients == 0
                }
                withExtendedLifetime(peers) {}
            }
        }

        @Test("what a full backlog drops is counted by the worker", arguments: testedDrivers)
        func dropped(driver: Driver) async throws {
            let goesOn = Locked(false)
            try await withServer(driver, { $0.workers = 1; $0.listenBacklog = 2 }, Self.stalling(until: goesOn)) {
                server, port, _ in
                try await Self.stall(server)
                // The kernel lets one more in than the limit says.
                let peers = (0..<8).map { _ in Self.attempt(port: port) }
                try await eventually("the backlog is full") { server.port.stats(ofWorker: 0).waitingClients == 3 }
                #expect(server.port.stats(ofWorker: 0).droppedClients == 0, "the worker counts them")
                goesOn.withLock { $0 = true }
                // Those that were dropped try again after a second, so the worker looks again.
                try await eventually("five were dropped once at least") {
                    server.port.stats(ofWorker: 0).droppedClients >= 5
                }
                withExtendedLifetime(peers) {}
            }
        }

        @Test("clients of a listener that pauses are told without a call of anybody's", arguments: testedDrivers)
        func paused(driver: Driver) async throws {
            try await withServer(driver, { $0.workers = 2 }) { server, port, _ in
                let listener = try #require(server.port.listeners.first)
                listener.pause()
                // A client that comes at once may still be accepted, so some come until some wait.
                var peers: [Peer] = []
                func waits() -> UInt64 { (0..<2).reduce(0) { $0 + server.port.stats(ofWorker: $1).waitingClients } }
                try await eventually("some wait") {
                    if peers.count < 64, let peer = try? Peer.connect(port: port) { peers.append(peer) }
                    return waits() > 3
                }
                listener.resume()
                try await eventually("nobody waits") { waits() == 0 }
            }
        }

        @Test("a Unix socket tells nothing, and nothing is counted", arguments: testedDrivers)
        func unix(driver: Driver) async throws {
            try await withServer(driver, { $0.workers = 1 }) { server, port, _ in
                _ = try server.listen(unix: UnixAddress(abstract: "iocp-backlog-\(getpid())-\(driver)"))
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                #expect(try peer.receive(1) == [1])
                #expect(server.port.stats(ofWorker: 0).backlogLimit > 0 && server.port.stats(ofWorker: 0).waitingClients == 0)
            }
        }

        @Test("the features are those of the driver, and the library's time is told", arguments: testedDrivers)
        func features(driver: Driver) async throws {
            try await withServer(driver, { $0.workers = 1 }) { server, port, _ in
                let peer = try Peer.connect(port: port)
                for _ in 0..<100 {
                    try peer.send([1])
                    #expect(try peer.receive(1) == [1])
                }
                let stats = server.port.stats(ofWorker: 0)
                let names = stats.driverFeatures.map(\.name)
                #expect(names.contains("direct_descriptors") == (driver == .uring && hasDirectDescriptors))
                #expect(!names.contains("lockdown"))
                #expect(names.contains("multishot_accept") == (driver == .uring) && !names.contains("busy_poll"))
                #expect(driver == .uring || names.allSatisfy { $0 == "nanosecond_waits" })
                #expect(stats.libraryTime > .zero && stats.libraryTime < .seconds(60))
                #expect(stats.openedAt > .zero && stats.openedAt <= stats.heartbeat)
                let text = server.port.prometheusText()
                for name in names { #expect(text.contains("iocp_feature_info{worker=\"0\",feature=\"\(name)\"} 1\n")) }
                #expect(!text.contains("iocp_features"))
            }
            try await withServer(driver, { $0.workers = 1; $0.acceptsPerSecond = 1_000 }) { server, _, _ in
                #expect(!server.port.stats(ofWorker: 0).driverFeatures.map(\.name).contains("multishot_accept"))
            }
        }
    }
}

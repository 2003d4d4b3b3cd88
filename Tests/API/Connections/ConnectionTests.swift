import Glibc
import IOCP
import Testing

extension RealSockets {
    @Suite struct Connections {
        @Test("the peer's address and the counters are what the peer says", arguments: testedDrivers)
        func peerAddress(driver: Driver) async throws {
            let ports = Arrivals()
            var behaviour = Behaviour()
            behaviour.received = { bytes, connection throws(IOCPError) in
                let address = try connection.peerAddress()
                ports.append(UInt64(address.port))
                #expect(address.host == "127.0.0.1")
                let counters = try connection.counters()
                #expect(counters.receivedBytes == 3)
                try connection.send(bytes)
            }
            try await withServer(driver, { _ in }, behaviour) { _, port, _ in
                let peer = try Peer.connect(port: port)
                try peer.send([1, 2, 3])
                _ = try peer.receive(3)
                #expect(ports.values == [UInt64(peer.localPort)])
            }
        }

        @Test("this end's address is where the peer connected to", arguments: testedDrivers, ["127.0.0.1", "0.0.0.0"])
        func localAddress(driver: Driver, host: String) async throws {
            let answers = Locked<[SocketAddress]>([])
            var behaviour = Behaviour()
            behaviour.received = { bytes, connection throws(IOCPError) in
                // Queued sends leave with the question, and in their order.
                try connection.send([9])
                for _ in 0..<100 {
                    let address = try connection.localAddress()
                    answers.withLock { $0.append(address) }
                }
                try connection.send(bytes)
            }
            try await withServer(driver, { _ in }, behaviour) { server, _, _ in
                let port = try server.listen(host: host, port: 0).address!.port
                let before = openDescriptors()
                let peer = try Peer.connect(port: port)
                try peer.send([1, 2, 3])
                #expect(try peer.receive(4) == [9, 1, 2, 3])
                let due = try SocketAddress(host: "127.0.0.1", port: port)
                #expect(answers.withLock { $0 } == Array(repeating: due, count: 100))
                // The peer's socket, and the accepted one.
                #expect(openDescriptors() <= before + 1 + descriptorsOfConnection(on: driver))
            }
        }

        @Test("both ends of a connect name each other", arguments: testedDrivers)
        func bothEnds(driver: Driver) async throws {
            let seen = Locked<[(local: SocketAddress, peer: SocketAddress)]>([])
            var behaviour = Behaviour()
            behaviour.opened = { connection throws(IOCPError) in
                let ends = (local: try connection.localAddress(), peer: try connection.peerAddress())
                seen.withLock { $0.append(ends) }
            }
            behaviour.posted = { port, _, worker throws(IOCPError) in
                try worker.connect(to: try SocketAddress(host: "127.0.0.1", port: Int(port)))
            }
            try await withServer(driver, { $0.lockdown = driver == .uring }, behaviour) { server, port, _ in
                try server.port.post(UInt64(port), toWorker: 0)
                try await eventually("both opened") { seen.withLock { $0.count == 2 } }
                let ends = seen.withLock { $0 }
                #expect(ends[0].local == ends[1].peer && ends[1].local == ends[0].peer)
                #expect([ends[0].local.port, ends[1].local.port].contains(port))
            }
        }

        @Test("a connection names its worker", arguments: testedDrivers)
        func worker(driver: Driver) async throws {
            let workers = Locked<[Bool]>([])
            let own = Locked<[ObjectIdentifier]>([])
            var behaviour = Behaviour()
            behaviour.posted = { _, _, worker throws(IOCPError) in own.withLock { $0.append(ObjectIdentifier(worker)) }
            }
            behaviour.received = { bytes, connection throws(IOCPError) in
                let worker = connection.worker
                let isOwn = worker.index == connection.connection.workerIndex
                workers.withLock { $0.append(isOwn) }
                own.withLock { $0.append(ObjectIdentifier(worker)) }
                try connection.send(bytes)
            }
            try await withServer(driver, { $0.workers = 1 }, behaviour) { server, port, _ in
                try server.port.post(0, toWorker: 0)
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                #expect(try peer.receive(1) == [1])
                #expect(workers.withLock { $0 } == [true])
                #expect(Set(own.withLock { $0 }).count == 1)
            }
        }

        @Test("shared bytes reach everyone", arguments: testedDrivers)
        func sharedBytes(driver: Driver) async throws {
            let message = try SharedBytes(pattern(100_000))
            var behaviour = Behaviour()
            behaviour.received = { _, connection throws(IOCPError) in
                try connection.send(message)
                try connection.send(message)
            }
            try await withServer(driver, { _ in }, behaviour) { _, port, _ in
                let peers = try (0..<20).map { _ in try Peer.connect(port: port) }
                for peer in peers { try peer.send([1]) }
                for peer in peers {
                    let received = try peer.receive(200_000)
                    #expect(received == pattern(100_000) + pattern(100_000))
                }
            }
        }

        @Test("pieces of every kind leave in the order of the calls (G2)", arguments: testedDrivers)
        func order(driver: Driver) async throws {
            let shared = try SharedBytes(Array("<shared>".utf8))
            let marks = Arrivals()
            var behaviour = Behaviour()
            behaviour.received = { bytes, connection throws(IOCPError) in
                try connection.send("a")
                try connection.send(shared)
                try connection.notifyWhenSent(key: 1)
                try connection.send(bytes)
                try connection.send("b")
                try connection.send(shared)
                try connection.notifyWhenSent(key: 2)
                try connection.send("c")
            }
            behaviour.sent = { key, error, _ throws(IOCPError) in
                #expect(error == nil)
                marks.append(key)
            }
            try await withServer(driver, { _ in }, behaviour) { _, port, _ in
                let peer = try Peer.connect(port: port)
                try peer.send("LEASE".utf8)
                let expected = "a<shared>LEASEb<shared>c"
                #expect(try peer.receive(expected.utf8.count) == Array(expected.utf8))
                try await eventually("both notifications") { marks.values == [1, 2] }
            }
        }

        @Test("a paused connection receives nothing, and loses nothing", arguments: testedDrivers)
        func pause(driver: Driver) async throws {
            let received = Box()
            let names = Names()
            var behaviour = Behaviour()
            behaviour.opened = { connection throws(IOCPError) in
                try connection.pauseReceiving()
                names.append(connection.connection)
            }
            behaviour.received = { bytes, _ throws(IOCPError) in received.append(bytes.bytes) }
            behaviour.posted = { _, connection, _ throws(IOCPError) in try connection?.resumeReceiving() }
            try await withServer(driver, { _ in }, behaviour) { server, port, _ in
                let peer = try Peer.connect(port: port)
                try await eventually("opened") { names.all.count == 1 }
                try peer.send(pattern(1000))
                #expect(received.bytes.isEmpty)
                try server.port.post(0, to: names.all[0])
                try await eventually("all bytes") { received.bytes == pattern(1000) }
            }
        }

        @Test("opened waits for the first bytes where asked to", arguments: testedDrivers)
        func opensAfterFirstBytes(driver: Driver) async throws {
            try await withServer(driver, { $0.opensAfterFirstBytes = true }) { server, port, ledger in
                let silent = try Peer.connect(port: port)
                let talker = try Peer.connect(port: port)
                try talker.send([1])
                #expect(try talker.receive(1) == [1])
                #expect(ledger.snapshot.opened == 1)
                _ = silent
            }
        }

        @Test("a kept context never becomes another peer's (G4)", arguments: testedDrivers)
        func keptContext(driver: Driver) async throws {
            let keeper = Keeper()
            var behaviour = Behaviour()
            behaviour.received = { bytes, connection throws(IOCPError) in
                if let old = keeper.first {
                    #expect(old !== connection)
                    #expect(refusal { () throws(IOCPError) in try old.send("for somebody else") } != nil)
                } else {
                    keeper.first = connection
                }
                try connection.send(bytes)
            }
            try await withServer(driver, { $0.workers = 1 }, behaviour) { _, port, ledger in
                for round in 1...3 {
                    do {
                        let peer = try Peer.connect(port: port)
                        try peer.send([UInt8(round)])
                        #expect(try peer.receive(1) == [UInt8(round)])
                    }
                    try await eventually("closed") { ledger.snapshot.closed.count == round }
                }
                keeper.first = nil  // it keeps its port, and so what the port has open
            }
        }

        @Test("clients and servers of this library talk to each other", arguments: testedDrivers)
        func client(driver: Driver) async throws {
            try await withServer(driver) { _, port, _ in
                let log = Arrivals()
                var configuration = PortConfiguration()
                configuration.driver = driver
                configuration.workers = 1
                let client = try IOCPClient(configuration) { _ in Talker(log: log) }
                for key in 1...100 {
                    let source = try SocketAddress(host: "127.0.0.\(1 + key % 5)", port: 0)
                    let address = try SocketAddress(host: "127.0.0.1", port: port)
                    try client.connect(to: address, from: key % 2 == 0 ? source : nil, key: UInt64(key))
                }
                try await eventually("100 replies") { log.count == 100 }
                client.stop()
                try await client.wait()
                #expect(log.values.allSatisfy { $0 == 5 })
            }
        }

        @Test("a refused connect says so", arguments: testedDrivers)
        func refused(driver: Driver) async throws {
            let failures = Arrivals()
            var behaviour = Behaviour()
            behaviour.connectFailed = { error, key in if error.name == "ECONNREFUSED" { failures.append(key) } }
            let ledger = Ledger()
            var configuration = PortConfiguration()
            configuration.driver = driver
            let client = try IOCPClient(configuration) { [behaviour] worker in
                AuditedHandler(behaviour: behaviour, ledger: ledger, worker: worker)
            }
            try client.connect(to: try SocketAddress(host: "127.0.0.1", port: 1), key: 77)
            try await eventually("connectFailed") { failures.values == [77] }
            client.stop()
            try await client.wait()
            #expect(ledger.snapshot.nothingHeld)
        }
    }
}

/// Sends five bytes when opened and logs how many come back.
struct Talker: ConnectionHandler {
    let log: Arrivals
    func opened(_ connection: IocpContext<Void>) throws(IOCPError) { try connection.send("hello") }
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        log.append(UInt64(bytes.byteCount))
    }
}

/// Holds a context beyond its connection, on the one worker's thread.
final class Keeper: @unchecked Sendable {
    // @unchecked: used by the only worker's thread alone.
    var first: IocpContext<Counted>?
}

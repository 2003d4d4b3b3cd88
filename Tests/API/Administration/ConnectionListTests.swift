import Foundation
import IOCP
import Synchronization
import Testing

extension RealSockets {
    /// What an admin socket tells of connections, and how it ends them.
    @Suite struct ConnectionLists {
        @Test("what each connection has moved, by exact counts, in the order that was asked for", arguments: testedDrivers)
        func counts(driver: Driver) async throws {
            try await withServer(driver) { server, port, ledger in
                let address = try UnixAddress.forAdmin()
                let admin = try server.port.serveAdmin(at: address)
                let peers = try (0..<6).map { _ in try Peer.connect(port: port) }
                for (index, peer) in peers.enumerated() {
                    let bytes = pattern(1_000 * (index + 1))
                    try peer.send(bytes)
                    #expect(try peer.receive(bytes.count) == bytes)
                }
                let busy = try AnsweredList(try ask(address, "connections order=busy interval=0 limit=4"))
                #expect(busy.connections.map { $0["received"] } == ["6000", "5000", "4000", "3000"])
                #expect(busy.connections.map { $0["sent"] } == ["6000", "5000", "4000", "3000"])
                #expect(busy.connections.map { $0["peer"] } == peers.reversed().prefix(4).map { "127.0.0.1:\($0.localPort)" })
                #expect(busy.connections.allSatisfy { $0["local"] == "127.0.0.1:\(port)" && $0["listener"] == "127.0.0.1:\(port)" })
                #expect(busy.connections.allSatisfy { $0["state"] == "open" && Int($0["rtt_us"] ?? "") != nil })
                #expect(busy.sum("connections") == 6 && busy.sum("meant") == 6 && busy.sum("aborted") == 0)
                let old = try AnsweredList(try ask(address, "connections order=old limit=1000"))
                let ages = old.connections.map { UInt64($0["age"]!)! }
                #expect(ages.count == 6 && ages == ages.sorted(by: >))
                let idle = try AnsweredList(try ask(address, "connections order=idle"))
                #expect(idle.connections.first?["peer"] == "127.0.0.1:\(peers[0].localPort)")
                for order in ["rtt", "retransmits", "unsent"] {
                    #expect(try AnsweredList(try ask(address, "connections order=\(order)")).connections.count == 6)
                }
                #expect(try AnsweredList(try ask(address, "connections order=slow")).connections.isEmpty)
                admin.close()
                #expect(ledger.snapshot.closed.isEmpty)
            }
        }

        @Test("the busiest are those of the interval, not those of all time", arguments: testedDrivers)
        func interval(driver: Driver) async throws {
            try await withServer(driver) { server, port, _ in
                let address = try UnixAddress.forAdmin()
                let admin = try server.port.serveAdmin(at: address)
                let (early, late) = (try Peer.connect(port: port), try Peer.connect(port: port))
                try early.send(pattern(50_000))
                _ = try early.receive(50_000)
                let isOver = Atomic(false)
                let thread = Thread {
                    while !isOver.load(ordering: .relaxed) {
                        try? late.send([1])
                        _ = try? late.receive(1)
                    }
                }
                thread.start()
                let list = try AnsweredList(try ask(address, "connections order=busy interval=200"))
                isOver.store(true, ordering: .relaxed)
                #expect(list.connections.first?["peer"] == "127.0.0.1:\(late.localPort)")
                #expect(list.connections.last?["moved"] == "0" && list.connections.last?["received"] == "50000")
                admin.close()
            }
        }

        @Test("filters by address, prefix, port and id", arguments: testedDrivers)
        func filters(driver: Driver) async throws {
            try await withServer(driver) { server, port, _ in
                let address = try UnixAddress.forAdmin()
                let admin = try server.port.serveAdmin(at: address)
                let near = try Peer.connect(port: port), far = try Peer.connect(port: port, source: 0x7f01_0203)
                for peer in [near, far] {
                    try peer.send([1])
                    _ = try peer.receive(1)
                }
                func peers(_ filter: String) throws -> [String] {
                    try AnsweredList(try ask(address, "connections order=old \(filter)")).connections.map { $0["peer"]! }.sorted()
                }
                let (one, other) = ("127.0.0.1:\(near.localPort)", "127.1.2.3:\(far.localPort)")
                #expect(try peers("peer=127.0.0.0/8") == [one, other])
                #expect(try peers("peer=127.0.0.0/16") == [one])
                #expect(try peers("peer=127.1.2.3") == [other])
                #expect(try peers("peer=127.1.2.2/31") == [other])
                #expect(try peers("peer=\(one)") == [one])
                #expect(try peers("peer=127.0.0.1:1") == [])
                #expect(try peers("peer=::/0") == [])
                let all = try AnsweredList(try ask(address, "connections order=old"))
                for connection in all.connections { #expect(try peers("id=\(connection["id"]!)") == [connection["peer"]!]) }
                #expect(try peers("id=ffffffffffffffff") == [])
                admin.close()
            }
        }

        @Test("an IPv6 socket's IPv4 peers are found by their IPv4 address", arguments: testedDrivers)
        func mapped(driver: Driver) async throws {
            try await withServer(driver) { server, _, _ in
                let address = try UnixAddress.forAdmin()
                let admin = try server.port.serveAdmin(at: address)
                let dual = try server.listen(host: "::", port: 0).port
                let peer = try Peer.connect(port: dual)
                try peer.send([1])
                _ = try peer.receive(1)
                let list = try AnsweredList(try ask(address, "connections peer=127.0.0.0/8 order=old"))
                #expect(list.connections.count == 1)
                #expect(try AnsweredList(try ask(address, "connections peer=10.0.0.0/8 order=old")).connections.isEmpty)
                admin.close()
            }
        }

        @Test("a peer that does not read is the slowest, and says what waits for it", arguments: testedDrivers)
        func slow(driver: Driver) async throws {
            var behaviour = Behaviour()
            behaviour.received = { (_: consuming ReceivedBytes, connection: Behaviour.Context) throws(IOCPError) in
                try connection.send([UInt8](repeating: 7, count: 600_000))
            }
            try await withServer(driver, { _ in }, behaviour) { server, port, _ in
                let address = try UnixAddress.forAdmin()
                let admin = try server.port.serveAdmin(at: address)
                var options = ListenOptions()
                options.sendBufferBytes = 16_384
                let small = try server.listen(host: "127.0.0.1", port: 0, options: options).port
                let reading = try Peer.connect(port: port), silent = try Peer.connect(port: small, receiveBufferBytes: 4_096)
                try silent.send([1])
                try reading.send([1])
                #expect(try reading.receive(600_000).count == 600_000)
                try await eventually("it stalls") {
                    let list = try AnsweredList(try ask(address, "connections order=slow"))
                    guard let first = list.connections.first, first["peer"] == "127.0.0.1:\(silent.localPort)" else { return false }
                    return list.connections.count == 1 && first["state"]!.contains("stalled") && Int(first["unsent"]!)! > 100_000
                        && UInt64(first["stalled_for"]!)! > 10_000_000
                }
                silent.resetOnClose()
                admin.close()
            }
        }

        @Test("an id or an address is ended, and nobody else", arguments: testedDrivers)
        func kill(driver: Driver) async throws {
            try await withServer(driver) { server, port, ledger in
                let address = try UnixAddress.forAdmin()
                let admin = try server.port.serveAdmin(at: address)
                let peers = try (0..<40).map { index in
                    try Peer.connect(port: port, source: index < 30 ? 0x7f01_0101 : 0x7f00_0001)
                }
                for peer in peers {
                    try peer.send([1])
                    _ = try peer.receive(1)
                }
                let refused = try ask(address, "connections kill=1")
                #expect(refused.count == 1 && refused[0].hasPrefix("error: kill takes id or peer"))
                // Those that are meant beyond the limit are ended as well.
                let killed = try AnsweredList(try ask(address, "connections kill=1 peer=127.1.1.1 limit=5"))
                #expect(killed.sum("aborted") == 30 && killed.sum("connections") == 40)
                #expect(killed.connections.count == 5)
                for peer in peers.prefix(30) { #expect(peer.end() == .reset) }
                try await eventually("told") { ledger.snapshot.closed.filter { $0 == .aborted }.count == 30 }
                for peer in peers.dropFirst(30) {
                    try peer.send([2])
                    #expect(try peer.receive(1) == [2])
                }
                let rest = try AnsweredList(try ask(address, "connections order=old"))
                let id = rest.connections[3]["id"]!
                #expect(try AnsweredList(try ask(address, "connections kill=1 id=\(id)")).sum("aborted") == 1)
                #expect(try AnsweredList(try ask(address, "connections order=old")).sum("connections") == 9)
                admin.close()
            }
        }

        @Test("8,000 connections are looked at in slices, and a list of 1,000 is right", .timeLimit(.minutes(2)))
        func many() async throws {
            try await withServer(.uring, { $0.connectionsPerWorker = 16_384 }) { server, port, _ in
                let address = try UnixAddress.forAdmin()
                let admin = try server.port.serveAdmin(at: address)
                let peers = try (0..<8_000).map { _ in try Peer.connect(port: port) }
                for (index, peer) in peers.enumerated() where index % 8 == 0 { try peer.send(pattern(1 + index / 8)) }
                try await eventually("received") { server.port.total(\.receivedBytes) == 500_500 }
                let list = try AnsweredList(try ask(address, "connections order=busy interval=0 limit=1000"))
                #expect(list.sum("connections") == 8_000)
                #expect(list.connections.map { Int($0["received"]!)! } == (1...1_000).reversed())
                admin.close()
                for peer in peers { peer.resetOnClose() }
            }
        }
    }
}

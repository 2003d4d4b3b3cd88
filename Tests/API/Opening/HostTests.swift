import CIOCPInternals
import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Hosts with several addresses, scopes and resolvers that fail.
    @Suite struct Hosts {
        @Test("a name is listened on at every address, with one port", arguments: testedDrivers)
        func everyAddress(driver: Driver) async throws {
            internals_name_set("both.test", "::1 127.0.0.1 ::1", 0, 0)
            try await withServer(driver) { server, _, ledger in
                let first = try server.listen(host: "both.test", port: 0).address!
                #expect(first.isIPv6)
                let all = server.listeners[1].endpoints
                let second = try SocketAddress(host: "127.0.0.1", port: first.port)
                #expect(server.listeners.count == 2 && all == [.tcp(first), .tcp(second)])
                for address in all {
                    let client = try IOCPClient { _ in Quiet() }
                    let before = ledger.snapshot.opened
                    try client.connect(to: address)
                    try await eventually("opened at \(address)") { ledger.snapshot.opened == before + 1 }
                    client.stop()
                    try await client.wait()
                }
            }
        }

        @Test("all addresses or none", arguments: testedDrivers)
        func allOrNone(driver: Driver) async throws {
            internals_name_set("both.test", "::1 127.0.0.1", 0, 0)
            internals_name_set("partly-local.test", "127.0.0.1 192.0.2.1", 0, 0)
            try await withServer(driver) { server, port, _ in
                let before = openDescriptors()
                for (host, port, name) in [
                    ("both.test", port, "EADDRINUSE"), ("partly-local.test", 0, "EADDRNOTAVAIL"),
                ] {
                    let error = refusal { () throws(IOCPError) in try server.listen(host: host, port: port) }
                    #expect(error?.name == name)
                }
                #expect(openDescriptors() == before && server.listeners.count == 1)
                // ::1 was free and is free again.
                let free = try server.listen(host: "::1", port: port).address!
                #expect(free.port == port)
            }
        }

        @Test("a port that is free at one address and taken at another is chosen anew", arguments: testedDrivers)
        func portOfAll(driver: Driver) throws {
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.workers = 1
            let port = try CompletionPort(configuration)
            internals_name_set("both.test", "::1 127.0.0.1", 0, 0)
            // The first address' claim and holder; then the second's claim is refused.
            internals_fault_arm(INTERNALS_FAULT_BIND, EADDRINUSE, 2, 1)
            internals_faults_inside(true)
            let address = try? port.listen(host: "both.test", port: 0).address!
            internals_faults_inside(false)
            #expect(internals_faults_struck(INTERNALS_FAULT_BIND) == 1)
            internals_faults_end()
            let first = try #require(address)
            #expect(try port.listeners.map(\.endpoints) == [[.tcp(first), .tcp(SocketAddress(host: "127.0.0.1", port: first.port))]])
        }

        @Test("an IPv6 wildcard takes IPv4 clients, or leaves them to a socket of their own", arguments: testedDrivers)
        func wildcards(driver: Driver) async throws {
            internals_name_set("any.test", ":: 0.0.0.0", 0, 0)
            try await withServer(driver) { server, _, ledger in
                let dual = try server.listen(host: "::", port: 0).address!
                var options = ListenOptions()
                options.ipv6Only = true
                let alone = try server.listen(host: "::", port: 0, options: options).address!
                let beside = try server.listen(host: "0.0.0.0", port: alone.port).address!
                #expect(beside.port == alone.port)
                let any = try server.listen(host: "any.test", port: 0).address!
                let taken = refusal { () throws(IOCPError) in try server.listen(host: "0.0.0.0", port: dual.port) }
                #expect(taken?.name == "EADDRINUSE")
                var count = 0
                for port in [dual.port, alone.port, any.port] {
                    let peer = try Peer.connect(port: port)
                    try peer.send([7])
                    let echoed = try peer.receive(1)
                    #expect(echoed == [7])
                    count += 1
                    try await eventually("opened") { ledger.snapshot.opened == count }
                }
            }
        }

        @Test("a scope is kept when it is printed, compared and hashed")
        func scopes() throws {
            let loopback = try SocketAddress(host: "fe80::1%lo", port: 80)
            #expect(loopback.description == "[fe80::1%lo]:80" && loopback.host == "fe80::1%lo")
            #expect(try SocketAddress(host: loopback.host, port: 80) == loopback)
            let other = try SocketAddress(host: "fe80::1%4095", port: 80)
            #expect(other.description == "[fe80::1%4095]:80" && other != loopback)
            #expect(try SocketAddress(host: "fe80::1", port: 80).description == "[fe80::1]:80")
            #expect(Set([loopback, other, try SocketAddress(host: "fe80::1", port: 80)]).count == 3)
            var hashers = (Hasher(), Hasher())
            loopback.hash(into: &hashers.0)
            other.hash(into: &hashers.1)
            #expect(hashers.0.finalize() != hashers.1.finalize())
        }

        @Test("a machine without IPv6 uses the IPv4 addresses of a name", arguments: [
            (INTERNALS_FAULT_SOCKET, EAFNOSUPPORT), (INTERNALS_FAULT_BIND, EADDRNOTAVAIL),
        ])
        func withoutIPv6(point: internals_fault_point, error: Int32) throws {
            internals_name_set("both.test", "::1 127.0.0.1", 0, 0)
            let ipv4 = try SocketAddress(host: "127.0.0.1", port: 80)
            internals_fault_arm(point, error, 0, 1)
            internals_faults_inside(true)
            let found = try? SocketAddress.all(host: "both.test", port: 80)
            internals_faults_inside(false)
            internals_faults_end()
            #expect(found == [ipv4])
            #expect(try SocketAddress.all(host: "both.test", port: 80).count == 2)
        }

        @Test("a resolver that is down is not a name that does not exist")
        func resolverErrors() throws {
            let cases: [(Int32, String)] = [
                (EAI_NONAME, "EINVAL"), (EAI_AGAIN, "EAGAIN"), (EAI_FAIL, "EIO"), (EAI_SYSTEM, "ECONNREFUSED"),
                (EAI_MEMORY, "ENOMEM"),
            ]
            var words: Set<String> = []
            for (answer, name) in cases {
                internals_name_set("broken.test", "", answer, 0)
                let error = refusal { () throws(IOCPError) in
                    _ = try SocketAddress(host: "broken.test", port: 80)
                }
                #expect(error?.name == name && error?.operation == .resolve)
                let ofAll = refusal { () throws(IOCPError) in
                    _ = try SocketAddress.all(host: "broken.test", port: 80)
                }
                #expect(ofAll == error)
                words.insert(error?.summary ?? "")
                if answer != EAI_NONAME { #expect(error?.description.contains("names no address") == false) }
            }
            #expect(words.count >= 4)
        }
    }
}

import Glibc
import IOCP
import IOCPTLS
import Testing

extension RealSockets.TLS {
    @Suite struct Clients {
        /// Connects, and says why that was refused; nil for a connection that opened.
        private func failure(
            _ client: IOCPClient<BodyHandler>, _ port: Int, _ host: String = "localhost", _ tls: TLSClient
        )
            async throws -> IOCPError?
        {
            let address = try SocketAddress(host: "127.0.0.1", port: port)
            var failure: IOCPError?
            do {
                try await client.withConnection(to: .tcp(address), security: tls.security(for: host)) { _, connection in
                    do throws(IOCPError) {
                        try await connection.send("hello\n")
                    } catch {
                        // The refusal was faster than the send; what comes of the read says what it was.
                        guard error.code == ENOTCONN else { throw error }
                    }
                    #expect(try await connection.line() == "hello")
                }
            } catch {
                failure = IOCPError(wrapping: error)
            }
            // The client outlives servers that count this process' sockets.
            try await eventually("the client's socket is closed") { client.port.total(\.connections) == 0 }
            return failure
        }

        @Test(
            "a server is believed when its certificate is for the name and signed by whom one trusts",
            arguments: testedDrivers)
        func verification(driver: Driver) async throws {
            let certificates = try Certificates.all()
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.workers = 1
            let client = try IOCPClient(configuration)
            let tls = try testClient()
            func refused(_ identity: String, _ tls: TLSClient, as host: String = "localhost") async throws -> String? {
                var found: IOCPError?
                try await withTLS(driver, settings: { $0.identities = [try certificates.identity(identity)] }) {
                    server, port, ledger, _ in
                    found = try await failure(client, port, host, tls)
                    if found != nil {
                        #expect(found?.code == EPROTO && found?.operation == .security)
                        try await eventually("the server counted it") { server.port.total(\.failedHandshakes) == 1 }
                        #expect(server.port.total(\.handshakesRefusedByPeer) == 1 && ledger.snapshot.opened == 0)
                    }
                }
                return found?.detail
            }
            #expect(try await refused("server", tls) == nil)
            #expect(try await refused("server", tls, as: "127.0.0.1") == nil)
            #expect(try await refused("wildcard", tls, as: "a.example.test") == nil)
            #expect(try await refused("wildcard", tls)?.contains("certificate") == true)
            #expect(try await refused("server", tls, as: "127.0.0.2")?.contains("certificate") == true)
            #expect(try await refused("expired", tls)?.contains("expired") == true)
            #expect(try await refused("stranger", tls)?.contains("unknown_ca") == true)
            #expect(try await refused("server", TLSClient())?.contains("unknown_ca") == true)
            #expect(try await refused("stranger", testClient { $0.verification = .none }, as: "anything") == nil)
            client.stop()
            try await client.wait()
        }

        @Test("sessions are gone on with, per server", arguments: testedDrivers)
        func sessions(driver: Driver) async throws {
            try await withTLS(driver) { server, port, _, _ in
                let client = try IOCPClient()
                for version in [TLSProtocol.Version.tls12, .tls13] {
                    let tls = try testClient { $0.agreement.minimumVersion = version }
                    let before = server.port.total(\.resumedHandshakes)
                    for _ in 0..<5 { #expect(try await failure(client, port, "localhost", tls) == nil) }
                    #expect(try await failure(client, port, "127.0.0.1", tls) == nil)
                    #expect(server.port.total(\.resumedHandshakes) - before == 4)
                }
                #expect(client.port.total(\.handshakes) == 12 && client.port.total(\.resumedHandshakes) == 8)
                client.stop()
                try await client.wait()
            }
        }

        @Test("a client shows its certificate", arguments: testedDrivers)
        func identity(driver: Driver) async throws {
            let certificates = try Certificates.all()
            try await withTLS(driver, settings: { $0.clientCertificates = .required(try certificates.trust) }) {
                _, port, _, _ in
                let client = try IOCPClient()
                let named = try testClient { $0.identity = try certificates.identity("client") }
                #expect(try await failure(client, port, "localhost", named) == nil)
                // In TLS 1.3 the server's refusal comes when the client believes to be in.
                let refused = try await failure(client, port, "localhost", testClient())
                #expect(
                    refused?.operation == .security || refused?.operation == .receive, "\(String(describing: refused))")
                client.stop()
                try await client.wait()
            }
        }

        @Test(
            "a connect that is given up, or meets a server without TLS, ends in one connectFailed",
            arguments: testedDrivers)
        func failures(driver: Driver) async throws {
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.workers = 1
            let client = try IOCPClient(configuration)
            let tls = try testClient { $0.agreement.handshakeTimeout = .milliseconds(100) }
            // Greets in the clear.
            var behaviour = Behaviour()
            behaviour.opened = { connection throws(IOCPError) in try connection.send("220 hello\r\n") }
            try await withServer(driver, { _ in }, behaviour) { _, port, _ in
                let error = try await failure(client, port, "localhost", tls)
                #expect(error?.code == EPROTO && error?.detail == "the peer does not speak TLS")
            }
            // Says nothing.
            behaviour.opened = { _ throws(IOCPError) in }
            behaviour.received = { _, _ throws(IOCPError) in }
            try await withServer(driver, { _ in }, behaviour) { _, port, _ in
                #expect(try await failure(client, port, "localhost", tls)?.code == ETIMEDOUT)
                let patient = try testClient()
                let task = Task {
                    try await client.withConnection(host: "127.0.0.1", port: port, tls: patient) { _, _ in
                        Issue.record("it opened")
                    }
                }
                try await Task.sleep(for: .milliseconds(50))
                task.cancel()
                let ended = await task.result
                #expect(throws: IOCPError.self) { try ended.get() }
                try await eventually("the client's socket is closed") { client.port.total(\.connections) == 0 }
            }
            // Closes at once.
            behaviour.opened = { connection throws(IOCPError) in connection.close() }
            try await withServer(driver, { _ in }, behaviour) { _, port, _ in
                try await #expect(failure(client, port, "localhost", tls)?.code == ECONNRESET)
            }

            #expect(client.port.total(\.connected) == 0)
            try await eventually("nothing is held") { client.port.total(\.connections) == 0 }
            client.stop()
            try await client.wait()
        }
    }
}

import ChildProcesses
import Glibc
import IOCP
import IOCPTLS
import Testing

extension RealSockets.TLS {
    /// What openssl(1) is told by a server.
    @Suite struct Handshakes {
        @Test("TLS 1.2 and 1.3 with strong ciphers, and nothing older", arguments: testedDrivers)
        func versions(driver: Driver) async throws {
            let openssl = try Certificates.all()
            try await withTLS(driver) { server, port, _, _ in
                let new = try openssl.client(port, ["-tls1_3", "-brief", "-verify_return_error"], sends: "hello")
                #expect(new.status == 0 && new.text.contains("Protocol version: TLSv1.3") && new.text.contains("hello"))
                let old = try openssl.client(port, ["-tls1_2", "-brief"], sends: "hello")
                #expect(old.status == 0 && old.text.contains("Protocol version: TLSv1.2") && old.text.contains("hello"))
                #expect(old.text.contains("Ciphersuite: ECDHE-ECDSA-AES128-GCM-SHA256"))
                for arguments in [
                    ["-tls1_1", "-cipher", "ALL@SECLEVEL=0"], ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"],
                ] {
                    #expect(try openssl.client(port, ["-brief"] + arguments).status != 0, "\(arguments)")
                }
                #expect(server.port.total(\.handshakes) == 2 && server.port.total(\.oldVersionHandshakes) == 1)
                #expect(server.port.total(\.failedHandshakes) == 2)
            }
        }

        @Test("the certificate is chosen by name, and by the keys that a client takes", arguments: testedDrivers)
        func names(driver: Driver) async throws {
            let openssl = try Certificates.all()
            try await withTLS(
                driver,
                settings: {
                    $0.identities = try ["server", "wildcard", "server-rsa"].map(openssl.identity)
                }
            ) { _, port, _, _ in
                func subject(_ arguments: [String]) throws -> String {
                    let text = try openssl.client(port, arguments).text
                    return text.split(separator: "\n").first { $0.hasPrefix("subject=") }.map(String.init) ?? text
                }
                #expect(try subject(["-servername", "localhost"]) == "subject=CN = localhost")
                #expect(try subject(["-servername", "a.example.test"]) == "subject=CN = example.test")
                #expect(try subject(["-servername", "EXAMPLE.test"]) == "subject=CN = example.test")
                #expect(try subject(["-servername", "a.b.example.test"]) == "subject=CN = localhost")
                #expect(try subject(["-noservername"]) == "subject=CN = localhost")
                let rsa = try openssl.client(port, ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256", "-brief"])
                #expect(rsa.status == 0 && rsa.text.contains("ECDHE-RSA"))
            }
        }

        @Test("the server's first protocol that a client speaks, or none", arguments: testedDrivers)
        func protocols(driver: Driver) async throws {
            let openssl = try Certificates.all()
            let seen = Locked<[String?]>([])
            var behaviour = Behaviour()
            behaviour.opened = { connection throws(IOCPError) in
                let chosen = connection.tls?.applicationProtocol
                seen.withLock { $0.append(chosen) }
            }
            try await withTLS(
                driver, { _ in }, behaviour, settings: { $0.agreement.applicationProtocols = ["h2", "http/1.1"] }
            ) { server, port, _, _ in
                #expect(try openssl.client(port, ["-alpn", "http/1.1,h2"]).text.contains("ALPN protocol: h2"))
                #expect(try openssl.client(port, ["-alpn", "http/1.1"]).text.contains("ALPN protocol: http/1.1"))
                #expect(try openssl.client(port, []).text.contains("No ALPN negotiated"))
                let none = try openssl.client(port, ["-alpn", "smtp"])
                #expect(none.status != 0 && none.text.contains("no application protocol"))
                try await eventually("all three") { seen.withLock { $0.count } == 3 }
                #expect(seen.withLock { $0 } == ["h2", "http/1.1", nil])
            }
        }

        @Test("a ticket saves a handshake, on any worker and any machine with the same keys", arguments: testedDrivers)
        func tickets(driver: Driver) async throws {
            let openssl = try Certificates.all()
            let session = openssl.path("session-\(driver)")
            let keys = [[UInt8](repeating: 7, count: 80)]
            for version in ["-tls1_2", "-tls1_3"] {
                try await withTLS(driver) { server, port, _, tls in
                    try tls.useTicketKeys(keys)
                    _ = try openssl.client(port, [version, "-sess_out", session], sends: "x")
                    for _ in 0..<3 {
                        let again = try openssl.client(port, [version, "-sess_in", session])
                        #expect(again.status == 0 && again.text.contains("Reused, "), "\(version)")
                    }
                    #expect(server.port.total(\.resumedHandshakes) == 3)
                }
                // Who has to show a certificate does not get around that with a ticket.
                try await withTLS(driver, settings: { $0.clientCertificates = .required(try openssl.trust) }) {
                    server, port, _, tls in
                    try tls.useTicketKeys(keys)
                    _ = try openssl.client(port, [version, "-sess_in", session], sends: "hello")
                    #expect(server.port.total(\.resumedHandshakes) == 0 && server.port.total(\.handshakes) == 0)
                }
                // Another server: it is told the same keys, and then others.
                try await withTLS(driver) { _, port, _, tls in
                    try tls.useTicketKeys([[UInt8](repeating: 9, count: 80)] + keys)
                    #expect(try openssl.client(port, [version, "-sess_in", session]).text.contains("Reused, "))
                    try tls.useTicketKeys([[UInt8](repeating: 9, count: 80)])
                    #expect(try openssl.client(port, [version, "-sess_in", session]).text.contains("New, "))
                }
            }
            try await withTLS(driver, settings: { $0.ticketLifetime = nil }) { _, port, _, _ in
                _ = try openssl.client(port, ["-tls1_2", "-sess_out", session], sends: "x")
                #expect(try openssl.client(port, ["-tls1_2", "-sess_in", session]).text.contains("New, "))
            }
        }

        @Test("clients show who they are, where they have to", arguments: testedDrivers)
        func clientCertificates(driver: Driver) async throws {
            let openssl = try Certificates.all()
            let seen = Locked<[TLSCertificate?]>([])
            var behaviour = Behaviour()
            behaviour.opened = { connection throws(IOCPError) in
                let certificate = try connection.peerCertificate()
                seen.withLock { $0.append(certificate) }
            }
            func shows(_ name: String) -> [String] {
                ["-cert", openssl.path(name + ".pem"), "-key", openssl.path(name + ".key")]
            }
            try await withTLS(
                driver, { _ in }, behaviour, settings: { $0.clientCertificates = .required(try openssl.trust) }
            ) { server, port, _, _ in
                for version in ["-tls1_2", "-tls1_3"] {
                    #expect(
                        try openssl.client(port, [version] + shows("client"), sends: "hello").text.contains("hello"))
                    for refused in [[], shows("strange-client")] {
                        let text = try openssl.client(port, [version] + refused, sends: "hello").text
                        #expect(text.contains("alert") && !text.contains("hello"), "\(text)")
                    }
                }
                #expect(server.port.total(\.failedHandshakes) == 4)
            }
            #expect(seen.withLock { $0.count } == 2)
            let certificate = try #require(seen.withLock { $0[0] })
            #expect(certificate.subject == "CN=device 7,O=Example")
            #expect(
                certificate.names == [
                    .dns("device-7.example.test"), .uri("spiffe://example.test/device/7"), .address("192.0.2.7"),
                    .email("a@example.test"),
                ])
            #expect(TLSCertificate(der: [1, 2, 3]) == nil && TLSCertificate(der: []) == nil)
            try await withTLS(
                driver, { _ in }, behaviour, settings: { $0.clientCertificates = .optional(try openssl.trust) }
            ) { _, port, _, _ in
                try #expect(openssl.client(port, [], sends: "hello").text.contains("hello"))
                try #expect(openssl.client(port, shows("strange-client"), sends: "hello").text.contains("alert"))
            }
            #expect(seen.withLock { $0.count == 3 && $0[2] == nil })
        }

        @Test("other certificates without a restart, under connections that go on", arguments: testedDrivers)
        func reload(driver: Driver) async throws {
            let openssl = try Certificates.all()
            try await withTLS(driver) { _, port, _, tls in
                try await withTLSClient(of: port) { _, connection in
                    try await connection.send("one\n")
                    #expect(try await connection.line() == "one")
                    try tls.reload(TLSServerSettings(identities: [try openssl.identity("wildcard")]))
                    #expect(try openssl.client(port, []).text.contains("subject=CN = example.test"))
                    var broken = TLSServerSettings(identities: [try openssl.identity("wildcard")])
                    broken.identities[0].key = Array("no key".utf8)
                    #expect(refusal({ () throws(IOCPError) in try tls.reload(broken) })?.code == EINVAL)
                    #expect(try openssl.client(port, []).text.contains("subject=CN = example.test"))
                    try await connection.send("two\n")
                    #expect(try await connection.line() == "two")
                }
            }
        }

        @Test("renegotiation is refused", arguments: testedDrivers)
        func renegotiation(driver: Driver) async throws {
            let openssl = try Certificates.all()
            try await withTLS(driver) { server, port, ledger, _ in
                let text = try openssl.client(port, ["-tls1_2"], sends: "R\n").text
                #expect(text.contains("RENEGOTIATING") && text.contains("no renegotiation"))
                try await eventually("it has closed") { ledger.snapshot.closed.count == 1 }
            }
        }

        @Test("keys change under way, as often as a peer asks for it", arguments: testedDrivers)
        func keyUpdate(driver: Driver) async throws {
            let openssl = try Certificates.all()
            try await withTLS(driver) { server, port, _, _ in
                let text = try openssl.client(port, ["-tls1_3"], sends: "K\n").text
                #expect(text.contains("KEYUPDATE") && !text.contains("error"))
                #expect(server.port.total(\.brokenLayers) == 0)
            }
        }

        @Test("sslscan finds nothing to complain of")
        func scan() async throws {
            try await withTLS(.auto) { _, port, _, _ in
                let process = try ChildProcess("/usr/bin/sslscan", ["--no-colour", "127.0.0.1:\(port)"])
                #expect(try process.end() == 0)
                let lines = process.lines(of: .output)
                for version in ["SSLv2", "SSLv3", "TLSv1.0", "TLSv1.1"] {
                    #expect(lines.contains { $0.hasPrefix(version) && $0.hasSuffix(" disabled") }, "\(version)")
                }
                #expect(lines.contains("Session renegotiation not supported"))
                #expect(!lines.contains { $0.contains("vulnerable") && !$0.contains("not vulnerable") })
                let ciphers = lines.filter { $0.hasPrefix("Preferred") || $0.hasPrefix("Accepted") }
                #expect(ciphers.count == 6)
                for cipher in ciphers {
                    #expect(
                        cipher.contains("DHE") && (cipher.contains("GCM") || cipher.contains("POLY1305")), "\(cipher)")
                }
            }
        }

        @Test("settings that cannot be are refused in words")
        func refusals() throws {
            let openssl = try Certificates.all()
            func words(_ change: (inout TLSServerSettings) throws -> Void) throws -> String {
                var settings = TLSServerSettings(identities: [try openssl.identity("server")])
                try change(&settings)
                return refusal({ () throws(IOCPError) in _ = try TLSServer(settings) })?.description ?? "taken"
            }
            let certificate = openssl.path("server.pem")
            #expect(
                try words { $0.identities = [] } == "TLS cannot be set up so (EINVAL): a server needs a certificate")
            #expect(
                try words { $0.identities[0].key = Array("no".utf8) }.hasPrefix(
                    "TLS cannot be set up so (EINVAL): \(certificate): the key cannot be read"))
            #expect(
                try words { $0.identities[0].key = try openssl.identity("client").key }.contains(
                    "the key is not that of the certificate"))
            #expect(try words { $0.identities[0].certificates = [] }.contains("the certificate cannot be read"))
            #expect(
                try words { $0.clientCertificates = .required(.certificates([1])) }.contains("the trusted certificates")
            )
            #expect(try words { $0.agreement.ciphers = "NONSENSE" }.contains("the ciphers are none that OpenSSL knows"))
            #expect(try words { $0.agreement.suites = "NONSENSE" }.contains("the suites of TLS 1.3"))
            #expect(try words { $0.agreement.groups = "NONSENSE" }.contains("the groups are none"))
            #expect(try words { $0.agreement.applicationProtocols = [""] }.contains("may have 1 to 255 bytes"))
            #expect(try words { $0.agreement.handshakeTimeout = .zero }.contains("more than zero"))
            #expect(try words { $0.agreement.keyLogFile = "/nowhere/log" }.contains("No such file or directory"))
            #expect(try words { $0.ticketLifetime = .zero }.contains("ticketLifetime"))
            #expect(try words { $0.handshakesMax = 0 }.contains("handshakesMax"))
            #expect(
                refusal({ () throws(IOCPError) in
                    _ = try TLSServer(certificateFile: "/nowhere.pem", keyFile: "/nowhere.key")
                })?.description
                    == "TLS cannot be set up so (EINVAL): /nowhere.pem cannot be read: No such file or directory")
            let tls = try TLSServer(certificateFile: certificate, keyFile: openssl.path("server.key"))
            #expect(refusal({ () throws(IOCPError) in try tls.useTicketKeys([]) })?.code == EINVAL)
            #expect(refusal({ () throws(IOCPError) in try tls.useTicketKeys([[1]]) })?.code == EINVAL)
            // Keys that are encrypted.
            #expect(
                refusal({ () throws(IOCPError) in
                    _ = try TLSServer(certificateFile: certificate, keyFile: openssl.path("encrypted.key"))
                })?.detail?.contains("needs a passphrase") == true)
            #expect(
                refusal({ () throws(IOCPError) in
                    _ = try TLSServer(
                        certificateFile: certificate, keyFile: openssl.path("encrypted.key"), passphrase: "wrong")
                })?.detail?.contains("the passphrase is wrong") == true)
            _ = try TLSServer(
                certificateFile: certificate, keyFile: openssl.path("encrypted.key"), passphrase: "secret")
        }
    }
}

import ChildProcesses
import Foundation
import Glibc
import IOCP
import IOCPTLS
import Testing

extension RealSockets.TLS {
    /// Peers that mean harm, or know no better.
    @Suite struct Hostility {
        @Test("what is no TLS is never a connection, and is counted", arguments: testedDrivers)
        func garbage(driver: Driver) async throws {
            try await withTLS(driver) { server, port, ledger, _ in
                let first: [[UInt8]] = [
                    Array("GET / HTTP/1.1\r\nhost: x\r\n\r\n".utf8), [0x16, 3, 1, 0, 0],
                    [0x16, 3, 1, 0xff, 0xff] + [UInt8](repeating: 1, count: 70_000),
                    [0x80, 0x2e, 1, 0, 2], [UInt8](repeating: 0, count: 4_096),
                    [0x17, 3, 3, 0, 20] + [UInt8](repeating: 9, count: 20),
                    [0x15, 3, 3, 0, 2, 2, 40], [0x14, 3, 3, 0, 1, 1],
                ]
                for bytes in first {
                    let peer = try Peer.connect(port: port)
                    try? peer.send(bytes)
                    peer.finishSending()
                    while peer.end() == .bytes {}
                }
                var random = SystemRandomNumberGenerator()
                for round in 0..<300 {
                    let peer = try Peer.connect(port: port)
                    var bytes = (0..<Int.random(in: 1...600)).map { _ in UInt8.random(in: 0...255, using: &random) }
                    // Most of them well enough formed to get further.
                    if round % 2 == 0 {
                        bytes.replaceSubrange(
                            0..<min(5, bytes.count),
                            with: [0x16, 3, 1, UInt8(bytes.count >> 8), UInt8(truncatingIfNeeded: bytes.count)].prefix(
                                min(5, bytes.count)))
                    }
                    try? peer.send(bytes)
                    if round % 3 == 0 { peer.resetOnClose() } else { peer.finishSending() }
                }
                let total = UInt64(first.count + 300)
                try await eventually("all have failed") { server.port.total(\.failedHandshakes) == total }
                #expect(server.port.total(\.handshakes) == 0 && ledger.snapshot.opened == 0)
                try await eventually("nothing is held") { server.port.total(\.connections) == 0 }
            }
        }

        @Test("a ClientHello in pieces of one byte is taken; half of one ends at the timeout", arguments: testedDrivers)
        func slow(driver: Driver) async throws {
            let openssl = try Certificates.all()
            try await withTLS(driver, settings: { $0.agreement.handshakeTimeout = .milliseconds(300) }) {
                server, port, ledger, _ in
                let hello = try clientHello(openssl)
                let half = try Peer.connect(port: port)
                try half.send(hello.prefix(hello.count / 2))
                let silent = try Peer.connect(port: port)
                let start = ContinuousClock.now
                #expect(half.end() == .finished && silent.end() == .finished)
                let elapsed = ContinuousClock.now - start
                #expect(elapsed > .milliseconds(250) && elapsed < .seconds(5), "\(elapsed)")
                #expect(server.port.total(\.timedOutHandshakes) == 2)
                let slow = try Peer.connect(port: port)
                for byte in hello { try slow.send([byte]) }
                #expect(try slow.receive(1) == [0x16])
                #expect(ledger.snapshot.opened == 0)
            }
        }

        /// The first bytes that openssl(1) says to a server.
        private func clientHello(_ openssl: Certificates) throws -> [UInt8] {
            let listener = try OpenListener()
            let process = try ChildProcess("/usr/bin/openssl", ["s_client", "-connect", "127.0.0.1:\(listener.port)"])
            let accepted = try listener.accept()
            let header = try accepted.receive(5)
            let hello = header + (try accepted.receive(Int(header[3]) << 8 | Int(header[4])))
            process.signal(SIGKILL)
            return hello
        }

        @Test("handshakes beyond the limit are refused, and the limit is given back", arguments: testedDrivers)
        func limit(driver: Driver) async throws {
            let openssl = try Certificates.all()
            try await withTLS(driver, settings: { $0.handshakesMax = 2 }) { server, port, _, _ in
                let hello = try clientHello(openssl)
                let held = try (0..<2).map { _ in try Peer.connect(port: port) }
                for peer in held {
                    try peer.send(hello)
                    #expect(try peer.receive(1) == [0x16])
                }
                #expect(try openssl.client(port, []).status != 0)
                for peer in held { peer.resetOnClose() }
                _ = consume held
                try await eventually("they are gone") { server.port.total(\.connections) == 0 }
                #expect(try openssl.client(port, [], sends: "hello").text.contains("hello"))
            }
        }

        @Test("hundreds who shake hands at once wait their turn, and nobody is forgotten", arguments: testedDrivers)
        func storm(driver: Driver) async throws {
            let openssl = try Certificates.all()
            try await withTLS(driver, { $0.workers = 1 }) { server, port, ledger, _ in
                let hello = try clientHello(openssl)
                try await withTLSClient(of: port) { _, connection in
                    let peers = try (0..<400).map { _ in try Peer.connect(port: port) }
                    // In two pieces, of which the second may come while the first waits.
                    for peer in peers { try peer.send(hello.prefix(100)) }
                    for peer in peers { try peer.send(hello.dropFirst(100)) }
                    try await connection.send("still here\n")
                    #expect(try await connection.line() == "still here")
                    for peer in peers.prefix(200) { #expect(try peer.receive(1) == [0x16]) }
                    for peer in peers.suffix(200) { peer.resetOnClose() }
                    #expect(server.port.total(\.failedHandshakes) == 0)
                }
                try await eventually("nobody is held") { server.port.total(\.connections) == 0 }
                #expect(server.port.total(\.failedHandshakes) == 400 && ledger.snapshot.opened == 1)
            }
        }

        @Test("a client that has said all in one breath is heard, however many are before it", arguments: testedDrivers)
        func oneBreath(driver: Driver) async throws {
            let openssl = try Certificates.all()
            try await withTLS(driver, { $0.workers = 1 }) { server, port, _, _ in
                let hello = try clientHello(openssl)
                let peers = try (0..<100).map { _ in try Peer.connect(port: port) }
                for peer in peers {
                    try peer.send(hello)
                    peer.finishSending()
                }
                #expect(try openssl.client(port, [], sends: "hello").text.contains("hello"))
                try await eventually("all have failed") { server.port.total(\.failedHandshakes) == 100 }
            }
        }

        @Test("a stream that is cut is told from one that has ended", arguments: testedDrivers)
        func truncation(driver: Driver) async throws {
            let openssl = try Certificates.all()
            try await withTLS(driver) { server, port, ledger, _ in
                let process = try ChildProcess(
                    "/bin/sh",
                    [
                        "-c",
                        "(printf hello; sleep 10) | exec openssl s_client -quiet -connect 127.0.0.1:\(port) 2>/dev/null",
                    ])
                _ = try process.text(of: .output, containing: "hello", within: .seconds(5))
                try ChildProcess("/usr/bin/pkill", ["-KILL", "-f", "s_client -quiet -connect 127.0.0.1:\(port)"]).end()
                try await eventually("it has closed") { ledger.snapshot.closed.count == 1 }
                guard case .failed(let error) = ledger.snapshot.closed[0] else {
                    Issue.record("closed for \(ledger.snapshot.closed[0])")
                    return
                }
                #expect(error.code == EBADMSG && error.operation == .security)
                #expect(server.port.total(\.cutLayers) == 1)
                _ = try openssl.client(port, [], sends: "bye")
                try await eventually("the other has closed") { ledger.snapshot.closed.count == 2 }
                #expect(ledger.snapshot.closed[1] == .peer && server.port.total(\.cutLayers) == 1)
            }
        }

        @Test("a byte that was changed on its way ends the connection", arguments: testedDrivers)
        func tampering(driver: Driver) async throws {
            try await withTLS(driver) { server, port, ledger, _ in
                let between = try Tamperer(to: port, changingByte: 2_000)
                let client = try IOCPClient()
                let tls = try testClient()
                await #expect(throws: IOCPError.self) {
                    try await client.withConnection(host: "127.0.0.1", port: between.port, tls: tls) { _, connection in
                        try await connection.send([UInt8](repeating: 1, count: 100_000))
                        while try await connection.next() != nil {}
                    }
                }
                try await eventually("it has closed") { ledger.snapshot.closed.count == 1 }
                guard case .failed(let error) = ledger.snapshot.closed[0] else {
                    Issue.record("closed for \(ledger.snapshot.closed[0])")
                    return
                }
                #expect(error.detail?.contains("bad_record_mac") == true)
                #expect(server.port.total(\.brokenLayers) == 1)
                client.stop()
                try await client.wait()
            }
        }

        @Test("a peer that finishes is answered to the end, then told so", arguments: testedDrivers)
        func closeNotify(driver: Driver) async throws {
            var behaviour = Behaviour()
            behaviour.peerFinished = { connection throws(IOCPError) in
                for round in 0..<20 { try connection.send([UInt8](repeating: UInt8(round), count: 10_000)) }
                connection.close()
            }
            try await withTLS(driver, { $0.deliversHalfClose = true }, behaviour, drainingFor: .seconds(1)) {
                server, port, ledger, _ in
                let client = try IOCPClient()
                let count = try await client.withConnection(host: "127.0.0.1", port: port, tls: testClient()) {
                    _, connection in
                    try await connection.send("question")
                    try connection.finishSending()
                    #expect(
                        refusal({ () throws(IOCPError) in try (connection as ConnectionContext).send("more") })?.code
                            == EPIPE)
                    var count = 0
                    while try await connection.receive({ count += $0.byteCount }) {}
                    return count
                }
                #expect(count == 8 + 200_000)
                try await eventually("both have closed") { ledger.snapshot.closed.count == 1 }
                #expect(ledger.snapshot.closed == [.local])
                #expect(client.port.total(\.cutLayers) == 0 && server.port.total(\.cutLayers) == 0)
                client.stop()
                try await client.wait()
            }
        }

        @Test("a stop says close_notify behind what was sent", arguments: testedDrivers)
        func stop(driver: Driver) async throws {
            let openssl = try Certificates.all()
            try await withTLS(driver, drainingFor: .seconds(2)) { server, port, ledger, _ in
                let process = try ChildProcess(
                    "/bin/sh",
                    [
                        "-c",
                        "(printf hello; sleep 3) | openssl s_client -msg -connect 127.0.0.1:\(port) -CAfile \(openssl.path("ca.pem")) 2>&1",
                    ])
                _ = try process.text(of: .output, containing: "hello", within: .seconds(5))
                server.stop(drainingFor: .seconds(2))
                let text = try process.text(of: .output, containing: "close_notify", within: .seconds(5))
                #expect(text.contains("<<< TLS 1.3, Alert [length 0002], warning close_notify"))
            }
        }
    }
}

/// A man in the middle who changes one byte of what goes to the server.
private final class Tamperer: Sendable {
    let port: Int
    private let listener: OpenListener

    init(to server: Int, changingByte place: Int) throws {
        let listener = try OpenListener()
        self.listener = listener
        port = listener.port
        // Blocking calls must not take the cooperative pool's few threads.
        Thread.detachNewThread {
            guard let client = try? listener.accept(), let target = try? Peer.connect(port: server) else { return }
            Thread.detachNewThread { Self.pass(from: target, to: client) { _ in } }
            var passed = 0
            Self.pass(from: client, to: target) { bytes in
                if (passed..<passed + bytes.count).contains(place) { bytes[place - passed] ^= 1 }
                passed += bytes.count
            }
        }
    }

    private static func pass(from source: Peer, to target: Peer, _ change: (inout [UInt8]) -> Void) {
        while source.answers(within: .seconds(10)), var bytes = try? source.receiveWhatCame(), !bytes.isEmpty {
            change(&bytes)
            guard (try? target.send(bytes)) != nil else { return }
        }
        target.finishSending()
    }
}

import COpenSSL
import Foundation
import Glibc
import IOCP
import IOCPTLS
import Testing

extension RealSockets.TLS {
    /// Peers that ask of TLS itself what costs, and crowds of them.
    @Suite struct Pressure {
        @Test("who asks for new keys again and again, and reads nothing, holds little and nobody else", arguments: testedDrivers)
        func keyUpdates(driver: Driver) async throws {
            let openssl = try Certificates.all()
            let cap = 256 * 1024
            try await withTLS(
                driver,
                {
                    $0.workers = 1
                    ($0.sendLowWatermark, $0.sendHighWatermark, $0.sendCap) = (16 * 1024, 64 * 1024, cap)
                }
            ) { server, port, _, _ in
                try await onThreads(1) { _ in
                    let asker = try Asker(port: port)
                    asker.askForKeys(most: 1_000_000, for: .seconds(2))
                    #expect(asker.count > 1_000, "\(asker.count) requests")
                    #expect(server.port.total(\.unsentBytes) <= UInt64(cap + 64 * 1024))
                    #expect(try openssl.client(port, [], sends: "hello").text.contains("hello"))
                }
                try await eventually("nothing is held") { server.port.total(\.connections) == 0 }
            }
        }

        @Test("thousands that close at once are all closed, and the next is served", arguments: testedDrivers)
        func massClose(driver: Driver) async throws {
            let openssl = try Certificates.all()
            let count = 2_000
            try await withTLS(driver, { $0.workers = 1 }) { server, port, ledger, _ in
                var configuration = PortConfiguration()
                (configuration.driver, configuration.workers) = (driver, 1)
                let client = try IOCPClient(configuration) { _ in Holding() }
                let security = try testClient().security(for: "localhost")
                let address = try SocketAddress(host: "127.0.0.1", port: port)
                for _ in 0..<count { try client.connect(to: address, security: security) }
                try await eventually("all are open", within: .seconds(60)) {
                    server.port.total(\.handshakes) == UInt64(count)
                }
                client.stop(drainingFor: .seconds(20))
                try await client.wait()
                try await eventually("all have closed", within: .seconds(30)) {
                    server.port.total(\.connections) == 0
                }
                #expect(server.port.total(\.cutLayers) == 0 && server.port.total(\.brokenLayers) == 0)
                #expect(ledger.snapshot.closed.count == count)
                #expect(try openssl.client(port, [], sends: "hello").text.contains("hello"))
            }
        }
    }
}

private struct Holding: ConnectionHandler {
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {}
}

/// A client of OpenSSL's on a plain socket, which shakes hands and then only asks.
private final class Asker {
    private let peer: Peer
    private let context: OpaquePointer
    private let session: OpaquePointer
    private(set) var count = 0

    init(port: Int) throws {
        peer = try Peer.connect(port: port)
        context = try #require(SSL_CTX_new(TLS_client_method()))
        session = try #require(SSL_new(context))
        SSL_set_fd(session, peer.fd)
        try #require(SSL_connect(session) == 1)
        // What does not leave in this time is held back by the server.
        var limit = timeval(tv_sec: 0, tv_usec: 300_000)
        setsockopt(peer.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit {
        peer.resetOnClose()
        SSL_free(session)
        SSL_CTX_free(context)
    }

    /// Ends early where nothing leaves any more.
    func askForKeys(most: Int, for time: Duration) {
        let end = ContinuousClock.now + time
        while count < most, ContinuousClock.now < end {
            guard SSL_key_update(session, SSL_KEY_UPDATE_REQUESTED) == 1, SSL_do_handshake(session) == 1 else { return }
            count += 1
        }
    }
}

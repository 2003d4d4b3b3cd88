import COpenSSL
import Foundation
import Glibc
import IOCP
import IOCPTLS
import Testing

extension RealSockets.TLS {
    /// Peers that ask of TLS itself what costs, and crowds of them.
    @Suite struct Pressure {
        @Test("who asks for new keys again and again is ended, also between data", arguments: testedDrivers)
        func keyUpdates(driver: Driver) async throws {
            try await withTLS(driver, { $0.workers = 1 }) { server, port, ledger, _ in
                for data in [0, 1] {
                    try await onThreads(1) { _ in
                        let asker = try Asker(port: port)
                        asker.askForKeys(most: 100_000, bytesEach: data)
                    }
                    try await eventually("it is ended") { ledger.snapshot.closed.count == data + 1 }
                }
                #expect(server.port.total(\.brokenLayers) == 2)
            }
        }

        @Test("who changes keys now and then is served", arguments: testedDrivers)
        func fewKeyUpdates(driver: Driver) async throws {
            try await withTLS(driver, { $0.workers = 1 }) { server, port, _, _ in
                try await onThreads(1) { _ in
                    let asker = try Asker(port: port)
                    for _ in 0..<10 { try asker.echo(100_000, changingKeys: 20) }
                }
                #expect(server.port.total(\.brokenLayers) == 0)
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
                    ledger.snapshot.closed.count == count
                }
                #expect(server.port.total(\.cutLayers) == 0 && server.port.total(\.brokenLayers) == 0)
                #expect(try openssl.client(port, [], sends: "hello").text.contains("hello"))
            }
        }
    }
}

private struct Holding: ConnectionHandler {
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {}
}

/// A client of OpenSSL's on a plain socket.
private final class Asker {
    private let peer: Peer
    private let context: OpaquePointer
    private let session: OpaquePointer

    init(port: Int) throws {
        signal(SIGPIPE, SIG_IGN)  // OpenSSL writes without MSG_NOSIGNAL
        peer = try Peer.connect(port: port)
        context = try #require(SSL_CTX_new(TLS_client_method()))
        session = try #require(SSL_new(context))
        SSL_set_fd(session, peer.fd)
        try #require(SSL_connect(session) == 1)
    }

    deinit {
        peer.resetOnClose()
        SSL_free(session)
        SSL_CTX_free(context)
    }

    /// Reads nothing, and ends early where nothing leaves any more.
    func askForKeys(most: Int, bytesEach: Int) {
        let bytes = [UInt8](repeating: 7, count: bytesEach)
        for _ in 0..<most {
            guard SSL_key_update(session, SSL_KEY_UPDATE_REQUESTED) == 1, SSL_do_handshake(session) == 1 else { return }
            if bytesEach > 0 && SSL_write(session, bytes, Int32(bytesEach)) <= 0 { return }
        }
    }

    func echo(_ count: Int, changingKeys times: Int) throws {
        for _ in 0..<times {
            try #require(SSL_key_update(session, SSL_KEY_UPDATE_REQUESTED) == 1 && SSL_do_handshake(session) == 1)
        }
        let bytes = pattern(count)
        try #require(SSL_write(session, bytes, Int32(count)) == count)
        var echoed = [UInt8](repeating: 0, count: count)
        var read: Int32 = 0
        while read < count {
            let step = echoed.withUnsafeMutableBytes { SSL_read(session, $0.baseAddress! + Int(read), Int32(count) - read) }
            try #require(step > 0)
            read += step
        }
        #expect(echoed == bytes)
    }
}

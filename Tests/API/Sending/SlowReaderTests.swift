import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Peers that read steadily, but so slowly that a full socket has no room to report within any timeout.
    @Suite struct SlowReaders {
        static let message = pattern(8 << 20)
        static let timeout = Duration.milliseconds(1200)

        /// Reads 40 kB every 100 ms for some seconds, which is far less than a third of the socket, then the rest.
        static func readSlowly(_ peer: Peer, for seconds: Int = 4, _ meanwhile: () throws -> Void = {}) throws -> [UInt8] {
            var received: [UInt8] = []
            for _ in 0..<10 * seconds {
                received += try peer.receive(40_000)
                try meanwhile()
                usleep(100_000)
            }
            while true {
                let more = try peer.receive(min(1 << 20, message.count - received.count))
                received += more
                if more.isEmpty || received.count == message.count { return received }
            }
        }

        private func expectAllOfIt(
            _ driver: Driver, _ configure: (inout PortConfiguration) -> Void, closes: Bool
        ) async throws {
            var behaviour = Behaviour()
            behaviour.received = { _, connection throws(IOCPError) in
                try connection.send(Self.message)
                if closes { connection.close() }
            }
            try await withServer(driver, configure, behaviour) { _, port, ledger in
                let peer = try Peer.connect(port: port, receiveBufferBytes: 64 * 1024)
                try peer.send([1])
                #expect(try Self.readSlowly(peer) == Self.message)
                if closes {
                    #expect(peer.end() == .finished)
                    peer.finishSending()
                    try await eventually("closed") { ledger.snapshot.closed == [.local] }
                } else {
                    #expect(ledger.snapshot.closed.isEmpty)
                }
            }
        }

        @Test("a graceful close waits for one", arguments: testedDrivers)
        func closing(driver: Driver) async throws {
            try await expectAllOfIt(driver, { $0.lingerTimeout = Self.timeout }, closes: true)
        }

        @Test("a send timeout does not end one", arguments: testedDrivers)
        func sending(driver: Driver) async throws {
            try await expectAllOfIt(driver, { $0.sendTimeout = Self.timeout }, closes: false)
        }

        @Test("an idle timeout does not end one", arguments: testedDrivers)
        func idle(driver: Driver) async throws {
            try await expectAllOfIt(driver, { $0.idleTimeout = Self.timeout }, closes: false)
        }

        /// Everything, FIN as well, is in the socket. Closed now, it would answer what the peer still sends with RST.
        @Test("the last bytes reach one that still sends", arguments: testedDrivers)
        func lastBytes(driver: Driver) async throws {
            let message = pattern(1 << 20)
            let closes = Arrivals()
            var behaviour = Behaviour()
            behaviour.received = { _, connection throws(IOCPError) in
                guard closes.count == 0 else { return }
                closes.append(1)
                try connection.send(message)
                connection.close()
            }
            try await withServer(driver, { $0.lingerTimeout = Self.timeout }, behaviour) { _, port, ledger in
                let peer = try Peer.connect(port: port, receiveBufferBytes: 64 * 1024)
                try peer.send([1])
                var received: [UInt8] = []
                while received.count < message.count {
                    received += try peer.receive(min(30_000, message.count - received.count))
                    try peer.send([2])
                    usleep(100_000)
                }
                #expect(received == message)
                #expect(peer.end() == .finished)
                peer.finishSending()
                try await eventually("closed") { ledger.snapshot.closed == [.local] }
            }
        }

        @Test("a close whose peer takes nothing says so", arguments: testedDrivers)
        func deadReader(driver: Driver) async throws {
            var behaviour = Behaviour()
            behaviour.received = { _, connection throws(IOCPError) in
                try connection.send(Self.message)
                connection.close()
            }
            try await withServer(driver, { $0.lingerTimeout = .milliseconds(100) }, behaviour) { _, port, ledger in
                let peer = try Peer.connect(port: port, receiveBufferBytes: 64 * 1024)
                try peer.send([1])
                try await eventually("closed") { ledger.snapshot.closed == [.sendTimeout] }
                withExtendedLifetime(peer) {}
            }
        }
    }
}

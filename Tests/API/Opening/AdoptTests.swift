import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Sockets that are connected already.
    @Suite struct Adopting {
        /// Takes over what it is posted, and echoes.
        private struct Adopter: ConnectionHandler, Handles.Opened, Handles.Posted {
            let keys: Locked<[UInt64]>
            let refusals: Locked<[IOCPError]>

            func opened(_ connection: IocpContext<Void>) throws(IOCPError) { keys.withLock { $0.append(connection.key) } }

            func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {
                try connection.send(bytes)
            }

            func posted(_ value: UInt64, to connection: IocpContext<Void>?, on worker: Worker) throws(IOCPError) {
                do throws(IOCPError) {
                    try worker.adopt(descriptor: Int32(value), key: 7)
                } catch {
                    refusals.withLock { $0.append(error) }
                }
            }
        }

        private func adopting(
            _ driver: Driver,
            _ body: (_ adopt: (Int32) throws -> Void, Locked<[UInt64]>, Locked<[IOCPError]>, CompletionPort) async throws -> Void
        ) async throws {
            var configuration = oneWorker(driver)
            configuration.lockdown = driver == .uring
            let (keys, refusals) = (Locked<[UInt64]>([]), Locked<[IOCPError]>([]))
            let server = try IOCPServer(configuration) { _ in Adopter(keys: keys, refusals: refusals) }
            try await body({ try server.port.post(UInt64($0), toWorker: 0) }, keys, refusals, server.port)
            server.stop()
            try await server.wait()
            #expect(server.port.stats(ofWorker: 0).closed == UInt64(keys.withLock { $0.count }))
        }

        /// A descriptor that is the only one of its socket: another one would hold back a FIN.
        private func connectedSocket(port: Int) throws -> Int32 {
            let peer = try Peer.connect(port: port)
            return withExtendedLifetime(peer) { dup(peer.fd) }
        }

        @Test("one end of a pair, and a connected TCP socket", arguments: testedDrivers)
        func adopts(driver: Driver) async throws {
            let descriptorsBefore = openDescriptors()
            try await adopting(driver) { adopt, keys, _, _ in
                var ends: [Int32] = [0, 0]
                try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
                let pair = Peer(ends[1])
                try pair.send([1, 2, 3])  // before it is adopted
                try adopt(ends[0])
                #expect(try pair.receive(3) == [1, 2, 3])
                #expect(keys.withLock { $0 } == [7])

                let listener = try OpenListener()
                let connected = try connectedSocket(port: listener.port)
                let accepted = try listener.accept()
                try adopt(connected)
                let bytes = pattern(1 << 20)
                try await onThreads(1) { _ in try accepted.send(bytes) }
                #expect(try accepted.receive(bytes.count) == bytes)
                accepted.finishSending()
                #expect(accepted.end() == .finished)
            }
            try await eventually("nothing is left") { openDescriptors() <= descriptorsBefore }
        }

        @Test("another descriptor of the socket disturbs nobody who comes after the connection", arguments: testedDrivers)
        func shared(driver: Driver) async throws {
            try await adopting(driver) { adopt, keys, _, port in
                let listener = try OpenListener()
                let connected = try connectedSocket(port: listener.port)
                let kept = dup(connected)
                var other: Peer? = try listener.accept()
                try adopt(connected)
                try other?.send([1])
                #expect(try other?.receive(1) == [1])
                other?.finishSending()
                try await eventually("it is closed") { port.stats(ofWorker: 0).closed == 1 }
                let next = try Peer.connect(port: port.listen(host: "127.0.0.1", port: 0).port)
                try next.send([2])
                #expect(try next.receive(1) == [2])
                other?.resetOnClose()  // told to whoever has the socket still: not to the next in its place
                other = nil
                for byte in UInt8(3)..<20 {
                    try next.send([byte])
                    #expect(try next.receive(1) == [byte])
                }
                next.finishSending()
                #expect(next.end() == .finished)
                close(kept)
                #expect(keys.withLock { $0 } == [7, 0])
            }
        }

        @Test("what is no connected stream socket is refused, and stays the caller's", arguments: testedDrivers)
        func refuses(driver: Driver) async throws {
            try await adopting(driver) { adopt, _, refusals, _ in
                var pipes: [Int32] = [0, 0]
                try #require(pipe(&pipes) == 0)
                let stream = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
                let datagrams = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
                let all = [pipes[0], stream, datagrams]
                for descriptor in all + [1 << 20] { try adopt(descriptor) }
                try await eventually("all are refused") { refusals.withLock { $0.count } == 4 }
                #expect(refusals.withLock { $0.map(\.name) } == ["ENOTSOCK", "ENOTCONN", "EPROTOTYPE", "EBADF"])
                for descriptor in all + [pipes[1]] { #expect(close(descriptor) == 0) }
            }
        }
    }
}

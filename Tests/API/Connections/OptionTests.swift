import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Options of one connection's socket, and what TCP knows about it.
    @Suite struct OptionTests {
        /// Runs `ask` in the handler of a connection, and hands out what it threw.
        private func inHandler(
            _ driver: Driver, unix: Bool = false,
            _ ask: @escaping @Sendable (IocpContext<Counted>) throws(IOCPError) -> Void
        ) async throws -> IOCPError? {
            let outcome = Locked<(done: Bool, error: IOCPError?)>((false, nil))
            var behaviour = Behaviour()
            behaviour.received = { bytes, connection throws(IOCPError) in
                let error = refusal { () throws(IOCPError) in try ask(connection) }
                outcome.withLock { $0 = (true, error) }
                try connection.send(bytes)
            }
            try await withServer(driver, { $0.lockdown = driver == .uring }, behaviour) { server, port, _ in
                let address = try UnixAddress(abstract: "iocp-options-\(getpid())-\(driver)")
                if unix { try server.listen(unix: address) }
                let before = openDescriptors()
                let peer = try unix ? Peer.connect(unix: address) : Peer.connect(port: port)
                try peer.send([1])
                #expect(try peer.receive(1) == [1])
                #expect(
                    openDescriptors() <= before + 1 + descriptorsOfConnection(on: driver),
                    "a question keeps no descriptor")
            }
            #expect(outcome.withLock(\.done))
            return outcome.withLock(\.error)
        }

        @Test("an option is what it was set to", arguments: testedDrivers)
        func options(driver: Driver) async throws {
            let error = try await inHandler(driver) { connection throws(IOCPError) in
                #expect(try connection.option(.noDelay))
                try connection.setOption(.noDelay, to: false)
                #expect(try !connection.option(.noDelay))
                try connection.setOption(.keepAlive, to: true)
                try connection.setOption(.keepAliveIdleSeconds, to: 77)
                #expect(try connection.option(.keepAlive))
                #expect(try connection.option(.keepAliveIdleSeconds) == 77)
                try connection.setOption(.sendBufferBytes, to: 64 << 10)
                #expect(try connection.option(.sendBufferBytes) == 128 << 10, "socket(7): doubled")
                #expect(try connection.option(SocketOption<Int>(level: SOL_SOCKET, name: SO_TYPE)) == 1)
            }
            #expect(error == nil)
        }

        @Test("an option that cannot be set says why", arguments: testedDrivers)
        func refusals(driver: Driver) async throws {
            let wrong: [(SocketOption<Int>, Int, String)] = [
                (.keepAliveCount, 200, "EINVAL"),
                (.keepAliveCount, Int(Int32.max) + 1, "EINVAL"),
                (SocketOption(level: SOL_SOCKET, name: SO_LINGER), 0, "EINVAL"),
                (SocketOption(level: Int32(IPPROTO_TCP), name: 9999), 1, "ENOPROTOOPT"),
            ]
            for (option, value, name) in wrong {
                let error = try await inHandler(driver) { connection throws(IOCPError) in
                    try connection.setOption(option, to: value)
                }
                #expect(error?.name == name && error?.operation == .socketOption)
            }
            let unknown = try await inHandler(driver) { connection throws(IOCPError) in
                _ = try connection.option(SocketOption<Int>(level: Int32(IPPROTO_TCP), name: 9999))
            }
            #expect(unknown?.name == "ENOPROTOOPT")
            let unix = try await inHandler(driver, unix: true) { connection throws(IOCPError) in
                _ = try connection.info()
            }
            #expect(unix?.name == "EOPNOTSUPP")
        }

        @Test("timeouts that are none are refused", arguments: testedDrivers)
        func timeouts(driver: Driver) async throws {
            let wrong = [
                ConnectionTimeouts(idle: .zero), ConnectionTimeouts(receive: .seconds(-1)),
                ConnectionTimeouts(send: .seconds(86_401)), ConnectionTimeouts(receiveProgressBytes: 0),
                ConnectionTimeouts(receiveProgressBytes: -1), ConnectionTimeouts(receiveProgressBytes: 1 << 40),
            ]
            let error = try await inHandler(driver) { connection throws(IOCPError) in
                for timeouts in wrong {
                    let refused = refusal { () throws(IOCPError) in try connection.setTimeouts(timeouts) }
                    #expect(refused?.name == "EINVAL" && refused?.operation == .setTimeouts)
                }
                try connection.setTimeouts(ConnectionTimeouts(idle: .seconds(60), send: .seconds(86_400)))
            }
            #expect(error == nil)
        }

        @Test("TCP tells what it knows", arguments: testedDrivers)
        func info(driver: Driver) async throws {
            let error = try await inHandler(driver) { connection throws(IOCPError) in
                let info = try connection.info()
                #expect(info.roundTrip > .zero && info.roundTrip < .seconds(1))
                #expect(info.receivedBytes == 1 && info.segmentBytes > 500 && info.congestionWindow > 0)
                #expect(info.retransmittedSegments == 0 && info.lostSegments == 0)
            }
            #expect(error == nil)
        }
    }
}

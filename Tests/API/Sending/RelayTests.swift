import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Two connections, each with its own backpressure, and nothing between them but the application.
    @Suite struct Relaying {
        @Test("32 MiB each way, by ends that write before they read", arguments: testedDrivers)
        func duplex(driver: Driver) async throws {
            try await withRelay(driver) { listener, port, _ in
                try await onThreads(3) { thread in
                    switch thread {
                    case 0:
                        let client = try Peer.connect(port: port)
                        for chunk in 0..<chunkCount { try client.send(bytes(of: .client, chunk)) }
                        client.finishSending()
                        for chunk in 0..<chunkCount {
                            #expect(try client.receive(chunkBytes) == bytes(of: .server, chunk))
                        }
                        #expect(client.end() == .finished)
                    case 1:
                        let server = try listener.peer()
                        for chunk in 0..<chunkCount {
                            #expect(try server.receive(chunkBytes) == bytes(of: .client, chunk))
                        }
                        #expect(server.end() == .finished)
                    default:
                        let server = try listener.peer()
                        for chunk in 0..<chunkCount { try server.send(bytes(of: .server, chunk)) }
                        server.finishSending()
                    }
                }
            }
        }

        @Test("a client that does not read bounds what is read for it", arguments: testedDrivers)
        func stalledReader(driver: Driver) async throws {
            try await withRelay(driver) { listener, port, relay in
                let client = try Peer.connect(port: port, receiveBufferBytes: 64 * 1024)
                let server = try listener.peer()
                // Until nothing more is taken for a second. The kernel's own buffers take some MiB.
                var sent = 0
                while sent < 64 * chunkBytes {
                    let rest = bytes(of: .server, sent / chunkBytes).dropFirst(sent % chunkBytes)
                    guard let taken = server.sendSome(rest) else { break }
                    sent += taken
                }
                #expect(sent < 64 * chunkBytes)
                #expect(relay.peak() <= Relay.most + (2 << 20))
                #expect((0..<2).map { relay.unsent($0) }.max()! <= Relay.most + (2 << 20))
                server.finishSending()
                var received = 0
                while received < sent {
                    let count = min(chunkBytes - received % chunkBytes, sent - received)
                    let expected = bytes(of: .server, received / chunkBytes).dropFirst(received % chunkBytes).prefix(
                        count)
                    #expect(try client.receive(count).elementsEqual(expected))
                    received += count
                }
                #expect(client.end() == .finished)
                client.finishSending()
            }
        }

        @Test("raw style: marks, the hold and notifications by name", arguments: testedDrivers)
        func raw(driver: Driver) async throws {
            var configuration = relayConfiguration(driver)
            configuration.workers = 1
            configuration.holdsBackReceive = true
            configuration.overflowPolicy = .refuse
            let port = try CompletionPort(configuration)
            try await onThreads(1) { _ in
                let worker = try port.attachWorker()
                let peer = try Peer.connect(port: port.listen(host: "127.0.0.1", port: 0).address!.port)
                var batch = CompletionBatch()
                #expect(try worker.wait(into: &batch) == 1)
                let connection = batch[0].connection!
                func refused(_ watermarks: Watermarks) -> String? {
                    let error = refusal { () throws(IOCPError) in try worker.setWatermarks(watermarks, of: connection) }
                    #expect(error.map { ErrorSentences.due($0) == $0.description } ?? true)
                    return error?.name
                }
                let most = PortConfiguration().sendCap
                for (low, high, cap) in [(1, 1, 1), (-1, 1, 1), (0, 2, 1), (0, 1, most + 1), (0, 1, Int.max)] {
                    #expect(refused(Watermarks(low: low, high: high, cap: cap)) == "EINVAL")
                }
                #expect(refused(Watermarks(low: 0, high: 1, cap: 100)) == nil)
                try worker.setHoldsBackReceive(false, of: connection)
                try worker.notifyWhenUnsent(connection, below: .max, key: 5)
                for (limit, name) in [(1, "EALREADY"), (0, "EINVAL"), (-1, "EINVAL")] {
                    let error = refusal { () throws(IOCPError) in
                        try worker.notifyWhenUnsent(connection, below: limit, key: 6)
                    }
                    #expect(error?.name == name && error?.operation == .notifyWhenUnsent)
                    #expect(error.map { ErrorSentences.due($0) == $0.description } == true)
                }
                #expect(try worker.wait(into: &batch) == 1)
                #expect(batch[0].event == .unsentFell(nil) && batch[0].key == 5 && batch[0].connection == connection)
                try worker.pauseReceiving(connection)
                try worker.resumeReceiving(connection)
                let message = pattern(100)
                try worker.send(message.span.bytes, to: connection)
                #expect(worker.unsentByteCount(of: connection) == 100)
                let overCap = refusal { () throws(IOCPError) in try worker.send(message.span.bytes, to: connection) }
                #expect(overCap?.name == "EAGAIN")
                try worker.notifyWhenUnsent(connection, below: 1, key: 7)
                try worker.finishSending(connection)
                var events: [Completion.Event] = []
                while events.count < 2 {
                    for index in 0..<(try worker.wait(into: &batch)) { events.append(batch[index].event) }
                }
                #expect(events == [.writable, .unsentFell(nil)])
                #expect(try peer.receive(100) == message)
            }
        }

        @Test("a notification ends before closed, also when the connection is aborted", arguments: testedDrivers)
        func aborted(driver: Driver) async throws {
            let log = Locked<[String]>([])
            let server = try IOCPServer(relayConfiguration(driver)) { _ in Impatient(log: log) }
            let peer = try Peer.connect(
                port: server.listen(host: "127.0.0.1", port: 0).address!.port, receiveBufferBytes: 4096)
            try peer.send([1])
            try await eventually("closed") { log.withLock { $0.contains("closed") } }
            #expect(log.withLock { $0 } == ["false", "true", "false", "unsentFell 3 ECANCELED", "closed"])
            server.stop()
            try await server.wait()
        }
    }
}

private let chunkBytes = 1 << 20
private let chunkCount = 32

private enum Side: UInt64 { case client, server }

private func bytes(of side: Side, _ chunk: Int) -> [UInt8] {
    pattern(chunkBytes, seed: UInt64(chunk) * 2 + side.rawValue)
}

private func relayConfiguration(_ driver: Driver) -> PortConfiguration {
    var configuration = PortConfiguration()
    configuration.driver = driver
    configuration.workers = 2
    configuration.workerPlacement = .unbound
    configuration.deliversHalfClose = true
    configuration.holdsBackReceive = false
    return configuration
}

/// What a test looks at in its relay.
private struct Seen: Sendable {
    let peak: @Sendable () -> Int
    let unsent: @Sendable (Int) -> Int
}

/// A relay before a listening socket of the test's own; `body` gets that and the relay's port.
private func withRelay(_ driver: Driver, _ body: (Listener, Int, Seen) async throws -> Void) async throws {
    let listener = try Listener()
    let peak = Locked(0)
    let address = try SocketAddress(host: "127.0.0.1", port: listener.port)
    let relay = try IOCPServer(relayConfiguration(driver)) { Relay(worker: $0, server: address, peak: peak) }
    let port = try relay.listen(host: "127.0.0.1", port: 0).address!.port
    let seen = Seen(
        peak: { peak.withLock { $0 } }, unsent: { [port = relay.port] in Int(port.stats(ofWorker: $0).unsentBytes) })
    try await body(listener, port, seen)
    relay.stop(drainingFor: .seconds(5))
    try await relay.wait()
}

/// A plain listening socket that one client is expected on.
private final class Listener: Sendable {
    let fd: Int32
    let port: Int
    private let accepted = Locked<Peer?>(nil)

    init() throws {
        let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(fd, $0, length) == 0 && listen(fd, 8) == 0 && getsockname(fd, $0, &length) == 0
            }
        }
        try #require(bound)
        self.fd = fd
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(fd) }

    /// The one client; waits for it.
    func peer() throws -> Peer {
        let peer = accepted.withLock { accepted in
            if accepted == nil {
                let client = accept(fd, nil, nil)
                guard client >= 0 else { return nil as Peer? }
                var limit = timeval(tv_sec: 10, tv_usec: 0)
                setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
                setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
                accepted = Peer(client)
            }
            return accepted
        }
        return try #require(peer)
    }
}

extension Peer {
    /// Sends what is taken within a second; nil when nothing is.
    fileprivate func sendSome(_ bytes: ArraySlice<UInt8>) -> Int? {
        var room = [pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)]
        guard poll(&room, 1, 1000) > 0 else { return nil }
        let count = bytes.withUnsafeBytes {
            Glibc.send(fd, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
        }
        return count > 0 ? count : nil
    }
}

/// Waits for few unsent bytes, and gives up.
private struct Impatient: ConnectionHandler {
    let log: Locked<[String]>

    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        log.withLock { $0.append("\(connection.holdsBackReceive)") }
        connection.holdsBackReceive = true
        log.withLock { $0.append("\(connection.holdsBackReceive)") }
        try connection.setWatermarks(Watermarks(low: 0, high: 1 << 20, cap: 32 << 20))
        try connection.send([UInt8](repeating: 1, count: 30 << 20))
        try connection.notifyWhenUnsent(below: 1, key: 3)
        connection.abort()
        log.withLock { $0.append("\(connection.holdsBackReceive)") }
    }

    func unsentFell(key: UInt64, error: IOCPError?, on connection: IocpContext<Void>) throws(IOCPError) {
        log.withLock { $0.append("unsentFell \(key) \(error?.name ?? "")") }
    }

    func closed(_ connection: IocpContext<Void>, reason: CloseReason) {
        log.withLock { $0.append("closed") }
    }
}

import Glibc
import IOCP
import Testing

// Code of the articles in Sources/IOCP/IOCP.docc, line for line: `DocumentedCode` looks for each part of it here.

private struct CommentsDropped: ConnectionHandler {
    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {
        let isComment = bytes.withBytes { $0.byte(at: 0) == UInt8(ascii: "#") }
        if isComment { return }  // dropped here: the buffer goes back
        try connection.send(bytes)  // sent: the buffer goes back once the kernel has its bytes
    }
}

private struct Oracle: ConnectionHandler {
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        let (question, name, port) = (String(decoding: bytes), connection.connection, connection.worker.port)
        Task {
            let answer = await lookUp(question)
            try port.send(SharedBytes(answer), to: name)  // dropped and counted if the connection is gone by then
        }
    }
}

private func lookUp(_ question: String) async -> String { question.uppercased() }

private struct Narrow: ConnectionHandler, Handles.Opened {
    func opened(_ connection: IocpContext<Void>) throws(IOCPError) {
        try connection.setWatermarks(Watermarks(low: 16_384, high: 65_536, cap: 1_048_576))
    }

    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        let reply = [UInt8](repeating: 1, count: 2_097_152)
        try connection.send(reply)  // more than the cap alone: EMSGSIZE
    }
}

/// One direction of the relay of Examples/, between the first two clients that come.
private enum OneDirection {
    final class Leg {
        var other: IocpContext<Leg>?
        var isHeld = false
    }

    struct Relay: ConnectionHandler, Handles.Opened, Handles.UnsentFell, Handles.Closed {
        static let most = 262_144, few = 65_536
        private var first: IocpContext<Leg>?

        func makeState() -> Leg { Leg() }

        mutating func opened(_ connection: IocpContext<Leg>) throws(IOCPError) {
            guard let first else {
                self.first = connection
                return
            }
            (first.state.other, connection.state.other) = (connection, first)
            try first.send("go")
        }

        func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Leg>) throws(IOCPError) {
            guard let other = connection.state.other else { return connection.abort() }
            try other.send(bytes)  // the buffer itself, without a copy
            guard other.unsentByteCount > Relay.most, !connection.state.isHeld else { return }
            connection.state.isHeld = true
            try connection.pauseReceiving()
            try other.notifyWhenUnsent(below: Relay.few, key: 0)
        }

        func unsentFell(key: UInt64, error: IOCPError?, on connection: IocpContext<Leg>) throws(IOCPError) {
            guard error == nil, let source = connection.state.other, !source.isClosing else { return }
            source.state.isHeld = false
            try source.resumeReceiving()
        }

        mutating func closed(_ connection: IocpContext<Leg>, reason: CloseReason) {
            connection.state.other?.state.other = nil
            connection.state.other = nil
            if first === connection { first = nil }
        }
    }
}

private func printStats() throws {
    let page = try PortStats(processID: getpid())
    for worker in 0..<page.workerCount {
        print("worker \(worker): \(page[worker].connections) connections, \(page[worker].receivedBytes) bytes received")
    }
}

extension RealSockets {
    /// What the articles show does what they say.
    @Suite struct ArticleExamples {
        private func serve<Handler: ConnectionHandler>(
            _ driver: Driver, _ handler: @escaping @Sendable (Worker) throws(IOCPError) -> Handler,
            body: (Int) throws -> Void
        ) throws {
            let server = try IOCPServer(oneWorker(driver), handler: handler)
            try body(server.listen(host: "127.0.0.1", port: 0).port)
            server.stop()
            try server.wait()
        }

        @Test("a lease is dropped or sent", arguments: testedDrivers)
        func leases(driver: Driver) throws {
            try serve(driver, { _ in CommentsDropped() }) { port in
                let (silent, talks) = (try Peer.connect(port: port), try Peer.connect(port: port))
                try silent.send("# a comment".utf8)
                silent.finishSending()
                #expect(silent.end() == .finished)
                try talks.send("words".utf8)
                #expect(try talks.receive(5) == Array("words".utf8))
            }
        }

        @Test("an answer that is made elsewhere is sent by name", arguments: testedDrivers)
        func elsewhere(driver: Driver) async throws {
            // Not on the pool's threads, which are few: the answer is made on one of them.
            try await onThreads(1) { _ in
                try serve(driver, { _ in Oracle() }) { port in
                    let peer = try Peer.connect(port: port)
                    try peer.send("why".utf8)
                    #expect(try peer.receive(3) == Array("WHY".utf8))
                }
            }
        }

        @Test("a connection's own cap is kept", arguments: testedDrivers)
        func watermarks(driver: Driver) throws {
            try serve(driver, { _ in Narrow() }) { port in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                #expect(peer.end() == .reset)
            }
        }

        @Test("a relay holds the source of what is unsent, and lets it go on", arguments: testedDrivers)
        func relay(driver: Driver) async throws {
            let server = try IOCPServer(oneWorker(driver)) { _ in OneDirection.Relay() }
            let port = try server.listen(host: "127.0.0.1", port: 0).port
            let source = try Peer.connect(port: port)
            try await eventually("the first is open") { server.port.stats(ofWorker: 0).connections == 1 }
            let sink = try Peer.connect(port: port)
            #expect(try source.receive(2) == Array("go".utf8))
            let bytes = pattern(8_000_000)  // three times: more than the kernel's buffers take
            // Both block, and the pool's threads are few.
            try await onThreads(2) { thread in
                for _ in 0..<3 {
                    if thread == 0 { try source.send(bytes) } else { #expect(try sink.receive(bytes.count) == bytes) }
                }
            }
            server.stop()
            try await server.wait()
        }

        @Test("a process reads its own counters")
        func counters() throws {
            try serve(.epoll, { _ in CommentsDropped() }) { _ in try printStats() }
        }
    }
}

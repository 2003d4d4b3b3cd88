import Glibc
import IOCP
import Testing

extension RealSockets {
    /// What a handler throws is told: by the end of its connection, by `failed`, or by whoever ran the handler.
    @Suite struct HandlerErrors {
        static let ofConnections: [HandlerMethod] = [
            .opened, .received, .peerFinished, .sent, .unsentFell, .writable, .posted, .timerFired, .scheduled,
            .offloaded,
        ]
        static let ofWorkers: [HandlerMethod] = [.posted, .timerFired, .scheduled, .stopping]

        @Test("an error for a connection is the reason of its end", arguments: testedDrivers, ofConnections)
        func ofConnection(driver: Driver, method: HandlerMethod) async throws {
            let notes = Notes()
            let server = try IOCPServer(configuration(driver)) { _ in Thrower(method: method, notes: notes) }
            let address = try server.listen(host: "127.0.0.1", port: 0).address!
            let peer = try Peer.connect(port: address.port)
            if method != .opened { try peer.send([1]) }
            if method == .peerFinished { peer.finishSending() }
            try await eventually("closed") { notes.reasons.count == 1 }
            #expect(notes.reasons == [.handlerThrew(Thrower.error)])
            #expect(notes.failures.isEmpty)
            #expect(server.port.stats(ofWorker: 0).handlerErrors == 1)
            // The next connection begins anew, in the same slot perhaps.
            let other = try Peer.connect(port: address.port)
            server.stop()
            try await server.wait()
            withExtendedLifetime((peer, other)) {}
        }

        /// More bytes of the same batch are handed out after `close()`. Answering them throws ENOTCONN, which is no reason to
        /// cut the good-bye short.
        @Test("what is thrown behind a graceful close does not make it a reset", arguments: testedDrivers)
        func behindClose(driver: Driver) async throws {
            let server = try IOCPServer(configuration(driver)) { _ in Dismissive() }
            let address = try server.listen(host: "127.0.0.1", port: 0).address!
            for _ in 0..<20 {
                let peer = try Peer.connect(port: address.port)
                try peer.send(pattern(1 << 20, seed: 1))
                peer.finishSending()
                #expect(try peer.receive(100) == Array("-ERR good-bye\r\n".utf8))
                #expect(peer.end() == .finished)
            }
            #expect(server.port.stats(ofWorker: 0).handlerErrors == 0)
            server.stop()
            try await server.wait()
        }

        @Test("an error without a connection goes to failed", arguments: testedDrivers, ofWorkers)
        func ofWorker(driver: Driver, method: HandlerMethod) async throws {
            let notes = Notes()
            let server = try IOCPServer(configuration(driver)) { _ in Thrower(method: method, notes: notes) }
            if method != .stopping {
                try server.port.post(1, toWorker: 0)
                try await eventually("told") { !notes.failures.isEmpty }
            }
            server.stop()
            try await server.wait()
            #expect(notes.failures == [Notes.Failure(error: Thrower.error, method: method)])
            #expect(server.port.stats(ofWorker: 0).handlerErrors == 1)
        }

        /// While the server still starts its other workers, or later.
        @Test("what started throws ends the server, which says so", arguments: testedDrivers, [0, 1, 7])
        func started(driver: Driver, worker: Int) throws {
            var configuration = configuration(driver)
            configuration.workers = 8
            let serverSays = refusal { () throws(IOCPError) in
                try IOCPServer(configuration) { Unwilling(isUnwilling: $0.index == worker) }.wait()
            }
            #expect(serverSays == Thrower.error)
            let clientSays = refusal { () throws(IOCPError) in
                try IOCPClient(configuration) { Unwilling(isUnwilling: $0.index == worker) }.wait()
            }
            #expect(clientSays == Thrower.error)
        }

        /// How a connection was ended before the error came, and what becomes of both.
        enum Before: CaseIterable { case aborted, abortedAndSent, closed }

        @Test("an error behind the end of its connection", arguments: testedDrivers, Before.allCases)
        func late(driver: Driver, before: Before) async throws {
            let reasons = Locked<[CloseReason]>([])
            let failures = Locked<[IOCPError]>([])
            let server = try IOCPServer(configuration(driver)) { _ in
                Late(before: before, reasons: reasons, failures: failures)
            }
            let address = try server.listen(host: "127.0.0.1", port: 0).address!
            let peer = try Peer.connect(port: address.port)
            try peer.send([1])
            try await eventually("closed") { reasons.withLock { $0.count == 1 } }
            // A graceful close that the error cuts says what cut it; an abort had its reason already.
            #expect(reasons.withLock { $0 } == [before == .closed ? .handlerThrew(Thrower.error) : .aborted])
            // That the connection has ended is no news.
            #expect(failures.withLock { $0 } == (before == .aborted ? [Thrower.error] : []))
            #expect(server.port.stats(ofWorker: 0).handlerErrors == (before == .abortedAndSent ? 0 : 1))
            server.stop()
            try await server.wait()
            withExtendedLifetime(peer) {}
        }

        private func configuration(_ driver: Driver) -> PortConfiguration {
            var configuration = oneWorker(driver)
            configuration.deliversHalfClose = true
            return configuration
        }
    }
}

/// What a handler was told.
private final class Notes: Sendable {
    struct Failure: Equatable {
        let error: IOCPError
        let method: HandlerMethod
    }
    private let entries = Locked<(reasons: [CloseReason], failures: [Failure])>(([], []))

    var reasons: [CloseReason] { entries.withLock { $0.reasons } }
    var failures: [Failure] { entries.withLock { $0.failures } }
    func add(_ reason: CloseReason) { entries.withLock { $0.reasons.append(reason) } }
    func add(_ failure: Failure) { entries.withLock { $0.failures.append(failure) } }
}

/// Throws in one method. The first byte of a connection, or a post to the worker, makes that method be called.
private struct Thrower: ConnectionHandler {
    static let error = IOCPError(code: EBADMSG, detail: "thrown by a test")
    let method: HandlerMethod
    let notes: Notes

    private func reach(_ method: HandlerMethod) throws(IOCPError) {
        if method == self.method { throw Thrower.error }
    }

    func opened(_ connection: IocpContext<Void>) throws(IOCPError) { try reach(.opened) }

    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        try reach(.received)
        let name = connection.connection
        switch method {
        case .sent:
            try connection.send([2])
            try connection.notifyWhenSent(key: 1)
        case .unsentFell: try connection.notifyWhenUnsent(below: 10, key: 1)
        case .writable:
            try connection.setWatermarks(Watermarks(low: 0, high: 1, cap: 10))
            try connection.send([2])
        case .posted: try connection.worker.port.post(1, to: name)
        case .timerFired: try connection.worker.startTimer(after: .zero, for: name, key: 1)
        case .scheduled:
            try connection.worker.schedule(after: .zero, for: name) { throw Thrower.error }
        case .offloaded: try connection.offload {} then: { _, _ in throw Thrower.error }
        default: break
        }
    }

    func peerFinished(_ connection: IocpContext<Void>) throws(IOCPError) { try reach(.peerFinished) }
    func sent(key: UInt64, error: IOCPError?, on connection: IocpContext<Void>) throws(IOCPError) { try reach(.sent) }
    func unsentFell(key: UInt64, error: IOCPError?, on connection: IocpContext<Void>) throws(IOCPError) {
        if error == nil { try reach(.unsentFell) }
    }
    func writable(_ connection: IocpContext<Void>) throws(IOCPError) { try reach(.writable) }

    func posted(_ value: UInt64, to connection: IocpContext<Void>?, on worker: Worker) throws(IOCPError) {
        try reach(.posted)
        if method == .timerFired { try worker.startTimer(after: .zero, key: 1) }
        if method == .scheduled { try worker.schedule(after: .zero) { throw Thrower.error } }
    }

    func timerFired(key: UInt64, error: IOCPError?, connection: IocpContext<Void>?, on worker: Worker)
        throws(IOCPError)
    {
        try reach(.timerFired)
    }

    func stopping(_ connections: borrowing ConnectionPool<Void>, on worker: Worker) throws(IOCPError) {
        try reach(.stopping)
    }

    func closed(_ connection: IocpContext<Void>, reason: CloseReason) {
        // The one that the test opens at the end is stopped.
        if reason != .stopped { notes.add(reason) }
    }
    func failed(_ error: IOCPError, in method: HandlerMethod, on worker: Worker) {
        notes.add(Notes.Failure(error: error, method: method))
    }
}

/// Does not start.
private struct Unwilling: ConnectionHandler {
    let isUnwilling: Bool
    func started(on worker: Worker) throws(IOCPError) { if isUnwilling { throw Thrower.error } }
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) {}
}

/// Ends its connection, and throws afterwards.
private struct Late: ConnectionHandler {
    let before: RealSockets.HandlerErrors.Before
    let reasons: Locked<[CloseReason]>
    let failures: Locked<[IOCPError]>

    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        switch before {
        case .aborted: connection.abort()
        case .abortedAndSent:
            connection.abort()
            try connection.send(bytes)
        case .closed:
            try connection.send(bytes)
            connection.close()
        }
        throw Thrower.error
    }

    func closed(_ connection: IocpContext<Void>, reason: CloseReason) { reasons.withLock { $0.append(reason) } }
    func failed(_ error: IOCPError, in method: HandlerMethod, on worker: Worker) {
        failures.withLock { $0.append(error) }
    }
}

private struct Dismissive: ConnectionHandler {
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        try connection.send("-ERR good-bye\r\n")
        connection.close()
    }
}

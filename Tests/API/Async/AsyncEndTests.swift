import Glibc
import IOCP
import Testing

extension RealSockets.Async {
    /// Each await, and each way in which it can end.
    @Suite struct Ends {
        /// Where a body waits.
        enum Place: CaseIterable, Sendable {
            case next, nextWithin, receive, line, send, flush
            /// In a task that the body made.
            case nextInTask
        }

        enum End: CaseIterable, Sendable {
            case finish, reset, abort, close, stop, time, cancellation
        }

        private static func wait(_ place: Place, _ worker: isolated WorkerActor, _ connection: AsyncConnection)
            async throws
        {
            switch place {
            case .next: _ = try await connection.next()
            case .nextWithin: _ = try await connection.next(within: connection.timeout ?? .seconds(60))
            case .receive: _ = try await connection.receive { _ in }
            case .line: _ = try await connection.line()
            case .send: while true { try await connection.send([UInt8](repeating: 1, count: 65_536)) }
            case .flush:
                try await connection.send([UInt8](repeating: 1, count: 4 << 20).span.bytes)
                try await connection.flush()
            case .nextInTask:
                try await Task {
                    _ = worker
                    _ = try await connection.next()
                }.value
            }
        }

        /// The code that ends the await; nil for none. An empty set: the combination says nothing.
        private static func expected(_ place: Place, _ end: End) -> Set<Int32?> {
            let reads = ![.send, .flush].contains(place)
            switch end {
            case .finish: return reads ? [nil] : []
            case .reset: return [ECONNRESET, EPIPE]
            case .abort, .close: return reads || end == .abort ? [ENOTCONN] : []
            case .stop: return reads ? [nil] : [ESHUTDOWN]
            case .time: return [ETIMEDOUT]
            // Who waits for a task that is not cancelled goes on waiting.
            case .cancellation: return place == .nextInTask ? [] : [ECANCELED]
            }
        }

        @Test("each await ends by each end, with its error", arguments: testedDrivers, Place.allCases)
        func ends(driver: Driver, place: Place) async throws {
            for end in End.allCases {
                let expected = Self.expected(place, end)
                if expected.isEmpty { continue }
                let found = BodyNotes<Int32?>()
                let isWaiting = Locked(false)
                try await withBodies(
                    driver,
                    {
                        $0.workers = 1
                        $0.sendCap = 8 << 20
                    }
                ) { worker, connection in
                    if end == .time { connection.timeout = .milliseconds(20) }
                    let name = connection.connection
                    isWaiting.withLock { $0 = true }
                    let error: IOCPError?
                    switch end {
                    case .cancellation:
                        let task = Task {
                            _ = worker
                            try await Self.wait(place, worker, connection)
                        }
                        for _ in 0..<20 { await Task.yield() }
                        // From another thread, as most are.
                        if place == .next || place == .send {
                            await Task.detached { task.cancel() }.value
                        } else {
                            task.cancel()
                        }
                        error = await failure { try await task.value }
                    case .abort, .close:
                        try worker.worker.schedule(after: .milliseconds(5)) {
                            if end == .abort {
                                worker.assumeIsolated { $0.worker.abort(name) }
                            } else {
                                worker.assumeIsolated { $0.worker.close(name) }
                            }
                        }
                        error = await failure { try await Self.wait(place, worker, connection) }
                    default:
                        error = await failure { try await Self.wait(place, worker, connection) }
                    }
                    found.add(error?.code)
                    if let error { #expect(!error.description.isEmpty) }
                } use: { server, port, _ in
                    let peer = try Peer.connect(port: port, receiveBufferBytes: 4096)
                    try await eventually("the body waits") { isWaiting.withLock { $0 } }
                    switch end {
                    case .finish: peer.finishSending()
                    case .reset:
                        try await Task.sleep(for: .milliseconds(5))
                        peer.resetOnClose()
                        _ = try? peer.receiveWhatCame()
                    case .stop: server.stop(drainingFor: place == .send || place == .flush ? .zero : .seconds(5))
                    default: break
                    }
                    if end == .reset { return }
                    try await eventually("\(place) ended by \(end)") { found.all.count == 1 }
                }
                try await eventually("\(place) ended by \(end)") { found.all.count == 1 }
                #expect(found.all.allSatisfy(expected.contains), "\(place) \(end): \(found.all)")
            }
        }
    }
}

extension RealSockets.Async {
    @Suite struct Misuse {
        private func expectTrap(
            _ words: String, _ result: ExitTest.Result?, sourceLocation: SourceLocation = #_sourceLocation
        ) {
            let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
            #expect(text.contains(words), "\(text)", sourceLocation: sourceLocation)
        }

        @Test("two tasks that receive on one connection trap")
        func twice() async throws {
            let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                let server = try IOCPServer(oneWorker(.epoll)) { worker, connection in
                    let other = Task {
                        _ = worker
                        _ = try await connection.next()
                    }
                    _ = try await connection.next()
                    try await other.value
                }
                let peer = try Peer.connect(port: try server.listen(host: "127.0.0.1", port: 0).address!.port)
                _ = peer.end()
            }
            expectTrap("two tasks await the same of one connection (receive)", result)
        }

        @Test("a claim of the worker's thread on another one traps")
        func claimed() async throws {
            let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                let server = try IOCPServer(oneWorker(.epoll)) { _, _ in }
                let actor = try server.port.actor(ofWorker: 0)
                actor.assumeIsolated { _ in }
            }
            expectTrap("on another thread than the worker's", result)
        }
    }
}

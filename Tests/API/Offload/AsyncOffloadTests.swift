import Glibc
import IOCP
import Testing

extension RealSockets.Offload {
    /// Tasks that wait for what comes of blocking work.
    @Suite struct Bodies {
        @Test("a body goes on with what came of it, on its worker", arguments: testedDrivers)
        func returns(driver: Driver) async throws {
            struct Refused: Error {}
            try await withBodies(driver) { worker, connection in
                let thread = pthread_self()
                while let line = try await connection.line() {
                    let reply = try await connection.offload {
                        #expect(pthread_equal(thread, pthread_self()) == 0)
                        usleep(500)
                        return line + "!\n"
                    }
                    #expect(pthread_equal(thread, pthread_self()) != 0)
                    try await connection.send(reply)
                    await #expect(throws: Refused.self) { try await connection.offload { throw Refused() } }
                    let seven = try await worker.offload { 7 }
                    #expect(seven == 7)
                    #expect(pthread_equal(thread, pthread_self()) != 0)
                }
            } use: { server, port, _ in
                try await onThreads(6) { index in
                    let peer = try Peer.connect(port: port)
                    for round in 0..<30 {
                        try peer.send(Array("\(index) \(round)\n".utf8))
                        let due = Array("\(index) \(round)!\n".utf8)
                        #expect(try peer.receive(due.count) == due)
                    }
                }
                try await eventually("the last body has gone round") { total(of: server.port).offloads == 6 * 30 * 3 }
            }
        }

        enum End: CaseIterable, Sendable { case cancellation, time, reset, close, stop }

        /// Work that has not begun is not run; work that has ends by itself.
        @Test("a wait ends early, and says why", arguments: testedDrivers, End.allCases)
        func ends(driver: Driver, end: End) async throws {
            let gate = Gate()
            let queuedRan = Locked(false)
            let codes = BodyNotes<Int32?>()
            let isWaiting = Locked(false)
            try await withBodies(
                driver, { ($0.workers, $0.offloadThreads) = (1, 1) }
            ) { worker, connection in
                let begun = Task {
                    _ = worker
                    try await connection.offload { gate.pass() }
                }
                while gate.inside == 0 { await Task.yield() }
                let queued = Task {
                    _ = worker
                    isWaiting.withLock { $0 = true }
                    try await connection.offload(within: end == .time ? .milliseconds(20) : nil) {
                        queuedRan.withLock { $0 = true }
                    }
                }
                if end == .cancellation {
                    while !isWaiting.withLock({ $0 }) { await Task.yield() }
                    await Task.detached {
                        queued.cancel()
                        begun.cancel()
                    }.value
                }
                if end == .close {
                    while !isWaiting.withLock({ $0 }) { await Task.yield() }
                    connection.close()
                }
                codes.add(await failure { try await queued.value }?.code)
                if end == .time { begun.cancel() }
                codes.add(await failure { try await begun.value }?.code)
                // One thread and no room: what was given up must not keep its place.
                if end == .time || end == .cancellation {
                    gate.open()
                    let five = try await connection.offload { 5 }
                    #expect(five == 5)
                }
            } use: { server, port, ledger in
                let peer = try Peer.connect(port: port)
                try await eventually("both wait") { total(of: server.port).offloadDepth == 2 || codes.all.count > 0 }
                switch end {
                case .reset:
                    peer.resetOnClose()
                    shutdownNow(peer)
                case .stop: server.stop(drainingFor: .milliseconds(50))
                default: break
                }
                try await eventually("both ended") { codes.all.count == 2 }
                let expected: Set<Int32?> =
                    switch end {
                    case .cancellation: [ECANCELED]
                    case .time: [ETIMEDOUT, ECANCELED]
                    case .reset: [ECONNRESET, EPIPE]
                    case .close: [ENOTCONN]
                    case .stop: [ESHUTDOWN]
                    }
                #expect(Set(codes.all).isSubset(of: expected), "\(codes.all)")
                gate.open()
                try await eventually("all came back") { total(of: server.port).offloadDepth == 0 }
                // Only a close leaves it to its work: a file may have to be written.
                let isRun = end == .close || end == .reset
                #expect(queuedRan.withLock { $0 } == isRun || end == .stop)
            }
        }

        @Test("a body's peer that has finished is answered first", arguments: testedDrivers)
        func finished(driver: Driver) async throws {
            let gate = Gate()
            try await withBodies(driver, { ($0.workers, $0.deliversHalfClose) = (1, false) }) { worker, connection in
                guard try await connection.next() != nil else { return }
                let answer = try await connection.offload {
                    gate.pass()
                    return "done"
                }
                try await connection.send(answer)
            } use: { server, port, ledger in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                peer.finishSending()
                try await eventually("it waits") { gate.inside == 1 }
                gate.open()
                try await onThreads(1) { _ in
                    let answer = try peer.receive(4)
                    #expect(answer == Array("done".utf8))
                    #expect(peer.end() == .finished)
                }
            }
        }

        @Test("a stop waits for a body that waits for work", arguments: testedDrivers)
        func stopAwaits(driver: Driver) async throws {
            let gate = Gate()
            try await withBodies(driver, { $0.workers = 1 }, drainingFor: .seconds(60)) { worker, connection in
                let answer = try await connection.offload {
                    gate.pass()
                    return "done"
                }
                try await connection.send(answer)
            } use: { server, port, _ in
                let peer = try Peer.connect(port: port)
                try await eventually("it waits") { gate.inside == 1 }
                server.stop(drainingFor: .seconds(60))
                gate.open()
                try await onThreads(1) { _ in
                    let answer = try peer.receive(4)
                    #expect(answer == Array("done".utf8))
                    #expect(peer.end() == .finished)
                }
            }
        }

        /// Its thread releases it while a task waits, and later asks again.
        @Test("a task hears of the end of an attached worker", arguments: testedDrivers)
        func attached(driver: Driver) async throws {
            let gate = Gate()
            let port = try CompletionPort(oneWorker(driver))
            let isAttached = Locked(false)
            let mayEnd = Locked(false)
            async let loop: Void = onThreads(1) { _ in
                let worker = try port.attachWorker()
                isAttached.withLock { $0 = true }
                var batch = CompletionBatch()
                while !mayEnd.withLock({ $0 }) { _ = try worker.wait(into: &batch, timeout: .milliseconds(5)) }
            }
            try await eventually("attached") { isAttached.withLock { $0 } }
            let actor = try port.actor(ofWorker: 0)
            #expect(try await actor.offload { 3 } == 3)
            let waiting = Task { try await actor.offload { gate.pass() } }
            try await eventually("it waits") { gate.inside == 1 }
            mayEnd.withLock { $0 = true }
            try await loop
            #expect(await failure { try await waiting.value }?.code == ESHUTDOWN)
            #expect(await failure { try await actor.offload {} }?.code == ESHUTDOWN)
            gate.open()
            try await eventually("it has ended") { port.offloadThreadCount == 0 }
        }
    }
}

/// Closes a peer's socket while the peer is still known.
private func shutdownNow(_ peer: Peer) {
    var unspecified = sockaddr()
    unspecified.sa_family = sa_family_t(AF_UNSPEC)
    // As close(2) with SO_LINGER of 0: RST.
    _ = withUnsafePointer(to: &unspecified) { connect(peer.fd, $0, socklen_t(MemoryLayout<sockaddr>.size)) }
}

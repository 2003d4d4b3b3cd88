import Glibc
import IOCP
import Testing

extension RealSockets.Offload {
    /// What becomes of work when its connection, its worker or the port ends.
    @Suite struct Ends {
        @Test("what a closed connection asked for runs, and nobody is told", arguments: testedDrivers)
        func dropped(driver: Driver) async throws {
            let gate = Gate()
            let ran = Locked(0)
            let told = Locked(0)
            let works = Locked(0)
            let thens = Locked(0)
            var behaviour = Behaviour()
            behaviour.received = { bytes, connection throws(IOCPError) in
                for _ in [UInt8](bytes.bytes) {
                    let (inWork, inThen) = (HeldByClosure(works), HeldByClosure(thens))
                    try connection.offload {
                        inWork.touch()
                        gate.pass()
                        ran.withLock { $0 += 1 }
                    } then: { _, _ in
                        inThen.touch()
                        told.withLock { $0 += 1 }
                    }
                }
            }
            try await withServer(driver, { ($0.workers, $0.offloadThreads) = (1, 2) }, behaviour) {
                server, port, ledger in
                do {
                    let peer = try Peer.connect(port: port)
                    try peer.send([1, 2, 3, 4, 5])
                    try await eventually("work blocks") { gate.inside == 2 }
                    peer.resetOnClose()
                }
                try await eventually("closed") { ledger.snapshot.closed.count == 1 }
                // The closures that nobody calls are gone with the connection; the work is done all the same.
                try await eventually("they are gone") { thens.withLock { $0 } == 0 }
                #expect(works.withLock { $0 } == 5 && total(of: server.port).offloadDepth == 5)
                // Another connection in the same slot is not given what was the first one's.
                let other = try Peer.connect(port: port)
                try await eventually("opened") { ledger.snapshot.opened == 2 }
                gate.open()
                try await eventually("all came back") { total(of: server.port).offloadDepth == 0 }
                #expect(ran.withLock { $0 } == 5 && told.withLock { $0 } == 0)
                try await eventually("the work is gone") { works.withLock { $0 } == 0 }
                #expect(total(of: server.port).droppedOffloads == 5)
                withExtendedLifetime(other) {}
            }
        }

        @Test("a close of this side drops what is still to come", arguments: testedDrivers)
        func closedHere(driver: Driver) async throws {
            let gate = Gate()
            let thens = Locked(0)
            var behaviour = Behaviour()
            behaviour.received = { _, connection throws(IOCPError) in
                let held = HeldByClosure(thens)
                try connection.offload {
                    gate.pass()
                } then: { _, _ in
                    held.touch()
                    Issue.record("a result was handed over behind a close")
                }
                try connection.send("bye")
                connection.close()
            }
            try await withServer(driver, { $0.workers = 1 }, behaviour) { server, port, ledger in
                try await onThreads(1) { _ in
                    let peer = try Peer.connect(port: port)
                    try peer.send([1])
                    #expect(try peer.receive(3) == Array("bye".utf8))
                    #expect(peer.end() == .finished)
                }
                gate.open()
                try await eventually("it came back") { total(of: server.port).offloadDepth == 0 }
                try await eventually("dropped") { total(of: server.port).droppedOffloads == 1 }
                #expect(thens.withLock { $0 } == 0)
            }
        }

        /// As `printf 'question' | nc -N` asks.
        @Test("a peer that has finished is answered first", arguments: testedDrivers, [false, true])
        func finished(driver: Driver, throughTwo: Bool) async throws {
            let gate = Gate()
            var behaviour = Behaviour()
            behaviour.received = { _, connection throws(IOCPError) in
                try connection.offload {
                    gate.pass()
                } then: { _, connection in
                    try connection.send("1")
                    guard throughTwo else { return }
                    try connection.offload {
                        usleep(1_000)
                    } then: { _, connection in
                        try connection.send("2")
                    }
                }
            }
            try await withServer(driver, { $0.workers = 1 }, behaviour) { server, port, ledger in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                peer.finishSending()
                try await eventually("work blocks") { gate.inside == 1 }
                // The FIN is read by now, or will be, and closes nothing.
                try await onThreads(1) { _ in
                    let other = try Peer.connect(port: port)
                    other.finishSending()
                    #expect(other.end() == .finished)
                }
                #expect(!peer.sawFinish())
                gate.open()
                try await onThreads(1) { _ in
                    let answer = try peer.receive(throughTwo ? 2 : 1)
                    #expect(answer == Array(throughTwo ? "12".utf8 : "1".utf8))
                    #expect(peer.end() == .finished)
                }
                try await eventually("closed") { ledger.snapshot.closed == [.peer, .peer] }
            }
        }

        @Test("a stop waits for work, and what comes of it is sent", arguments: testedDrivers)
        func stopAwaits(driver: Driver) async throws {
            let gate = Gate()
            try await withServer(
                driver, { ($0.workers, $0.offloadThreads) = (2, 1) },
                .offloading { byte in
                    gate.pass()
                    return byte
                }, drainingFor: .seconds(60)
            ) { server, port, ledger in
                let peers = try (0..<4).map { _ in try Peer.connect(port: port) }
                let idle = try Peer.connect(port: port)
                for (index, peer) in peers.enumerated() { try peer.send([UInt8(index), 9]) }
                try await eventually("work waits") { total(of: server.port).offloadDepth == 8 }
                try await eventually("opened") { ledger.snapshot.opened == 5 }  // a backlog ends with its listener
                server.stop(drainingFor: .seconds(60))
                try await onThreads(1) { _ in #expect(idle.end() == .finished) }
                #expect(peers.allSatisfy { !$0.sawFinish() })
                gate.open()
                try await onThreads(1) { _ in
                    for (index, peer) in peers.enumerated() {
                        let answer = try peer.receive(2)
                        #expect(answer == [UInt8(index), 9])
                        #expect(peer.end() == .finished)
                    }
                }
                try await eventually("closed") { ledger.snapshot.closed.count == 5 }
                #expect(ledger.snapshot.closed.allSatisfy { $0 == .stopped })
            }
        }

        @Test("a stop cancels work that has not begun, where that is wanted", arguments: testedDrivers)
        func stopCancels(driver: Driver) async throws {
            let gate = Gate()
            try await withServer(
                driver, { ($0.workers, $0.offloadThreads, $0.cancelsOffloadsAtStop) = (1, 1, true) },
                .offloading { byte in
                    gate.pass()
                    return byte
                }, drainingFor: .seconds(60)
            ) { server, port, _ in
                let begun = try Peer.connect(port: port)
                try begun.send([1])
                try await eventually("it has begun") { gate.inside == 1 }
                let queued = try Peer.connect(port: port)
                try queued.send([2, 3])
                try await eventually("they wait") { total(of: server.port).offloadDepth == 3 }
                server.stop(drainingFor: .seconds(60))
                try await onThreads(1) { _ in
                    #expect(try queued.receive(2) == Array("CC".utf8))
                    #expect(queued.end() == .finished)
                    // What has begun is waited for; what comes now is refused.
                    try begun.send([4])
                    #expect(try begun.receive(1) == Array("S".utf8))
                    gate.open()
                    #expect(try begun.receive(1) == [1])
                    #expect(begun.end() == .finished)
                }
                #expect(gate.inside == 1)
            }
        }

        /// The stop ends with its drain; the page says that something of the worker's still runs, until it does not.
        @Test("work that does not end holds up no stop for longer than its drain", arguments: testedDrivers)
        func endless(driver: Driver) async throws {
            let gate = Gate()
            let thens = Locked(0)
            var behaviour = Behaviour()
            behaviour.received = { _, connection throws(IOCPError) in
                let held = HeldByClosure(thens)
                try connection.offload {
                    gate.pass()
                } then: { _, _ in
                    held.touch()
                }
                try connection.worker.offload {
                    gate.pass()
                } then: { _ in
                    held.touch()
                }
            }
            let server = try IOCPServer(limits(driver)) { [behaviour] in
                AuditedHandler(behaviour: behaviour, ledger: Ledger(), worker: $0)
            }
            let port = server.port
            let address = try server.listen(host: "127.0.0.1", port: 0).address!
            let peers = try (0..<2).map { _ in try Peer.connect(port: address.port) }
            for peer in peers { try peer.send([1]) }
            try await eventually("both threads are taken, and work waits") {
                gate.inside == 2 && total(of: port).offloadDepth == 4
            }
            server.stop(drainingFor: .milliseconds(50))
            try await server.wait()
            #expect(thens.withLock { $0 } == 0)
            #expect(
                port.offloadThreadCount == 2 && total(of: port).offloadDepth == 2
                    && total(of: port).droppedOffloads == 2)
            gate.open()
            try await eventually("it has ended") { port.offloadThreadCount == 0 }
            #expect(total(of: port).offloadDepth == 0 && total(of: port).droppedOffloads == 4 && gate.inside == 2)
            withExtendedLifetime(peers) {}
        }

        /// Nothing of the port is used after it has gone, whoever was last.
        @Test("work outlives its port")
        func outlives() async throws {
            let gate = Gate()
            let works = Locked(0)
            for driver in testedDrivers {
                try await onThreads(1) { _ in
                    let worker = try CompletionPort(limits(driver)).attachWorker()
                    let held = HeldByClosure(works)
                    try worker.offload {
                        held.touch()
                        gate.pass()
                    } then: { _ in
                        Issue.record("handed over")
                    }
                }
            }
            try await eventually("they run") { gate.inside == 2 }
            gate.open()
            try await eventually("they are gone") { works.withLock { $0 } == 0 }
        }

        @Test("threads that have nothing to do end with their port", arguments: testedDrivers)
        func threadsEnd(driver: Driver) async throws {
            let server = try IOCPServer(limits(driver)) {
                AuditedHandler(behaviour: .offloading { $0 }, ledger: Ledger(), worker: $0)
            }
            let address = try server.listen(host: "127.0.0.1", port: 0).address!
            let port = server.port
            #expect(port.offloadThreadCount == 0)
            try await onThreads(1) { _ in
                let peer = try Peer.connect(port: address.port)
                try peer.send([1, 2, 3])
                #expect(try peer.receive(3) == [1, 2, 3])
            }
            #expect(port.offloadThreadCount > 0)
            server.stop()
            try await onThreads(1) { _ in try server.wait() }
            #expect(port.offloadThreadCount == 0 && total(of: port).offloadThreads == 0)
        }

        @Test("idle threads end while the port goes on", arguments: testedDrivers)
        func retirement(driver: Driver) async throws {
            let gate = Gate()
            try await withServer(
                driver,
                { ($0.workers, $0.offloadThreads, $0.offloadIdleTimeout) = (1, 6, .milliseconds(50)) },
                .offloading { byte in
                    if byte == 0 { gate.pass() }
                    return byte
                }
            ) { server, port, _ in
                let peer = try Peer.connect(port: port)
                try peer.send([0, 0, 0, 0, 0, 0])
                try await eventually("all run") { gate.inside == 6 && server.port.offloadThreadCount == 6 }
                gate.open()
                try await eventually("all have gone") { server.port.offloadThreadCount == 0 }
                try await onThreads(1) { _ in
                    #expect(try peer.receive(6) == [0, 0, 0, 0, 0, 0])
                    try peer.send([1])
                    #expect(try peer.receive(1) == [1])
                }
            }
        }

        private func limits(_ driver: Driver) -> PortConfiguration {
            var configuration = oneWorker(driver)
            configuration.offloadThreads = 2
            return configuration
        }
    }
}

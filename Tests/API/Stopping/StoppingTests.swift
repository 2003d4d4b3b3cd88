import Glibc
import IOCP
import Testing

extension RealSockets {
    /// The end of a port, as its application sees it: posts from before the stop, then word of it, then closes.
    @Suite struct Stopping {
        @Test("posts come first, then stopping; what both send arrives before the FIN", arguments: testedDrivers)
        func order(driver: Driver) async throws {
            let log = Locked<[String]>([])
            let server = try IOCPServer(configuration(driver)) { Farewell(worker: $0, log: log) }
            let address = try server.listen(host: "127.0.0.1", port: 0).address!
            let peers = try (0..<8).map { _ in try Peer.connect(port: address.port) }
            for peer in peers {
                try peer.send([1])
                #expect(try peer.receive(1) == [1])
            }
            for post: UInt64 in 0..<100 { try server.port.post(post, toWorker: 0) }
            server.stop(drainingFor: .seconds(5))
            for peer in peers {
                #expect(try String(decoding: peer.receive(1000), as: UTF8.self) == "last post, good-bye")
                #expect(peer.end() == .finished)
                peer.finishSending()
            }
            try await server.wait()
            let events = log.withLock { $0 }
            #expect(events.prefix(100) == (0..<100).map { "posted \($0)" }[...])
            #expect(events.dropFirst(100).first == "stopping with 8")
            #expect(events.dropFirst(101) == (repeatElement("closed", count: 8) + ["stopped"])[...])
            #expect(refusal { () throws(IOCPError) in try server.port.post(1, toWorker: 0) }?.name == "ESHUTDOWN")
        }

        @Test("a stop from a handler, and a second one that shortens the drain", arguments: testedDrivers)
        func fromHandler(driver: Driver) async throws {
            let log = Locked<[String]>([])
            let server = try IOCPServer(configuration(driver)) { Farewell(worker: $0, log: log) }
            let address = try server.listen(host: "127.0.0.1", port: 0).address!
            let stays = try Peer.connect(port: address.port)
            try stays.send([1])
            #expect(try stays.receive(1) == [1])
            let asks = try Peer.connect(port: address.port)
            try asks.send(Array("stop".utf8))
            for peer in [asks, stays] {
                #expect(try String(decoding: peer.receive(8), as: UTF8.self) == "good-bye")
                #expect(peer.end() == .finished)
            }
            // They never finish: only the end of the drain closes them.
            let begun = ContinuousClock.now
            server.stop()
            try await server.wait()
            #expect(ContinuousClock.now - begun < .seconds(20))
            #expect(log.withLock { $0 } == ["stopping with 2", "closed", "closed", "stopped"])
        }

        @Test(
            "a connection that outlasts a stop goes on until it is closed, or the drain is over",
            arguments: testedDrivers)
        func outlasting(driver: Driver) async throws {
            var behaviour = Behaviour()
            behaviour.opened = { connection throws(IOCPError) in try connection.setOutlastsStop(true) }
            behaviour.received = { bytes, connection throws(IOCPError) in
                let ends = bytes.withBytes { $0.byte(at: 0) } == UInt8(ascii: "e")
                try connection.send(bytes)
                if ends { connection.close() }
            }
            try await withServer(driver, { $0.workers = 1 }, behaviour) { server, port, ledger in
                let (ending, given, staying) = (
                    try Peer.connect(port: port), try Peer.connect(port: port), try Peer.connect(port: port)
                )
                try await eventually("opened") { ledger.snapshot.opened == 3 }
                server.stop(drainingFor: .seconds(60))
                try await eventually("it stops") { Peer.isRefused(by: port) }
                for peer in [ending, given, staying] {
                    try peer.send([1])
                    #expect(try peer.receive(1) == [1])
                }
                try ending.send("e".utf8)
                #expect(try ending.receive(1) == Array("e".utf8) && ending.end() == .finished)
                ending.finishSending()
                given.finishSending()
                #expect(given.end() == .finished)
                // Clients that were to be refused may have opened before.
                try await eventually("all but one have closed") {
                    ledger.snapshot.closed.count == ledger.snapshot.opened - 1
                }
                #expect(!staying.sawFinish())
                server.stop()
                #expect(staying.end() == .reset)
                try await server.wait()
                #expect(Set(ledger.snapshot.closed) == [.local, .peer, .stopped])
                #expect(server.port.stats(ofWorker: 0).abortedByStop == 1)
            }
        }

        @Test(
            "a worker that stalls beyond the drain still delivers, says so, and then resets", arguments: testedDrivers)
        func stalled(driver: Driver) async throws {
            let log = Locked<[String]>([])
            let gate = Locked(false)
            let server = try IOCPServer(configuration(driver)) { Farewell(worker: $0, log: log, gate: gate) }
            let address = try server.listen(host: "127.0.0.1", port: 0).address!
            let peer = try Peer.connect(port: address.port)
            try peer.send(Array("stall".utf8))
            try await eventually("stalled") { log.withLock { $0 } == ["stalls"] }
            try server.port.post(0, toWorker: 0)
            server.stop(drainingFor: .milliseconds(1))
            try await Task.sleep(for: .milliseconds(5))  // the drain is over
            gate.withLock { $0 = true }
            try await server.wait()
            #expect(log.withLock { $0 } == ["stalls", "posted 0", "stopping with 1", "closed", "stopped"])
            #expect(peer.end() == .reset)
        }

        @Test("nothing begins once stopping was said", arguments: testedDrivers)
        func refusals(driver: Driver) async throws {
            let port = try CompletionPort(configuration(driver))
            try await onThreads(1) { _ in
                let worker = try port.attachWorker()
                let address = try port.listen(host: "127.0.0.1", port: 0).address!
                var batch = CompletionBatch()
                worker.leave(drainingFor: .seconds(1))
                #expect(try worker.wait(into: &batch) == 1)
                #expect(batch[0].event == .stopping && batch[0].connection == nil)
                #expect(refusal { () throws(IOCPError) in try worker.connect(to: address) }?.name == "ESHUTDOWN")
                #expect(
                    refusal { () throws(IOCPError) in try worker.startTimer(after: .zero, key: 1) }?.name == "ESHUTDOWN"
                )
                try port.post(7, toWorker: 0)  // still taken, and delivered
                #expect(try worker.wait(into: &batch) == 1)
                #expect(batch[0].event == .posted && batch[0].key == 7)
                #expect(refusal { () throws(IOCPError) in _ = try worker.wait(into: &batch) }?.name == "ECANCELED")
            }
        }

        @Test("a thread that leaves is told so before its connections close", arguments: testedDrivers)
        func leaving(driver: Driver) async throws {
            let port = try CompletionPort(configuration(driver))
            try await onThreads(1) { _ in
                let worker = try port.attachWorker()
                let address = try port.listen(host: "127.0.0.1", port: 0).address!
                let peer = try Peer.connect(port: address.port)
                var batch = CompletionBatch()
                var events: [Completion.Event] = []
                var connection: Connection?
                while let count = try? worker.wait(into: &batch) {
                    for index in 0..<count {
                        events.append(batch[index].event)
                        switch batch[index].event {
                        case .opened:
                            connection = batch[index].connection
                            try port.post(1, to: connection!)
                            worker.leave(drainingFor: .seconds(5))
                        case .posted: try worker.send("posted".utf8Span.span.bytes, to: connection!)
                        case .stopping:
                            try worker.send("stopping".utf8Span.span.bytes, to: connection!)
                            peer.finishSending()
                        default: break
                        }
                    }
                }
                #expect(events.prefix(3) == [.opened, .posted, .stopping])
                #expect(events.filter { $0 == .stopping }.count == 1)
                #expect(events.last == .closed(.stopped))
                #expect(try String(decoding: peer.receive(100), as: UTF8.self) == "postedstopping")
            }
        }

        @Test("listening ends, connections go on, and listening begins again", arguments: testedDrivers)
        func listening(driver: Driver) async throws {
            try await withServer(driver) { server, port, ledger in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                #expect(try peer.receive(1) == [1])
                let descriptors = openDescriptors()
                for round in 0..<100 {  // more often than a port has places for listeners
                    server.stopListening()
                    server.stopListening()
                    #expect(Peer.isRefused(by: port))
                    try peer.send([UInt8(round)])
                    #expect(try peer.receive(1) == [UInt8(round)])
                    try await eventually("its sockets are closed") { openDescriptors() < descriptors }
                    #expect(try server.listen(host: "127.0.0.1", port: port).address!.port == port)
                    for _ in 0..<4 {
                        let later = try Peer.connect(port: port)
                        try later.send([7])
                        #expect(try later.receive(1) == [7])
                    }
                }
                #expect((0..<2).map { server.port.stats(ofWorker: $0).acceptFailures } == [0, 0])
                server.stopListening()
                #expect(Peer.isRefused(by: port))
                server.stop(drainingFor: .seconds(5))
                server.stopListening()
                peer.finishSending()
            }
        }

        @Test("a worker that stalls refuses new clients, too", arguments: testedDrivers)
        func listeningWhileStalled(driver: Driver) async throws {
            let log = Locked<[String]>([])
            let gate = Locked(false)
            let server = try IOCPServer(configuration(driver)) { Farewell(worker: $0, log: log, gate: gate) }
            let first = try server.listen(host: "127.0.0.1", port: 0).address!
            let second = try server.listen(host: "127.0.0.1", port: 0).address!
            let peer = try Peer.connect(port: first.port)
            try peer.send(Array("stall".utf8))
            try await eventually("stalled") { log.withLock { $0 } == ["stalls"] }
            let waiting = try Peer.connect(port: second.port)  // in the backlog
            server.stopListening()
            #expect(Peer.isRefused(by: first.port) && Peer.isRefused(by: second.port))
            #expect(waiting.end() == .reset)
            // Its place is not free yet.
            #expect(try server.listen(host: "127.0.0.1", port: first.port).address!.port == first.port)
            gate.withLock { $0 = true }
            try peer.send([9])
            #expect(try peer.receive(1) == [9])
            let later = try Peer.connect(port: first.port)
            try later.send([7])
            #expect(try later.receive(1) == [7])
            server.stop(drainingFor: .zero)
            try await server.wait()
        }

        @Test("a handler stops listening", arguments: testedDrivers)
        func listeningFromHandler(driver: Driver) async throws {
            let log = Locked<[String]>([])
            let server = try IOCPServer(configuration(driver)) { Farewell(worker: $0, log: log) }
            server.stopListening()  // nothing listens
            let address = try server.listen(host: "127.0.0.1", port: 0).address!
            let peer = try Peer.connect(port: address.port)
            try peer.send(Array("deaf".utf8))
            #expect(try peer.receive(4) == Array("deaf".utf8))
            #expect(Peer.isRefused(by: address.port))
            server.stop()
            try await server.wait()
        }

        @Test(
            "a port that stopped before a worker was attached refuses it, and waits for nobody",
            arguments: testedDrivers)
        func beforeAttaching(driver: Driver) throws {
            let port = try CompletionPort(configuration(driver))
            try port.listen(host: "127.0.0.1", port: 0)
            port.stop()
            #expect(refusal { () throws(IOCPError) in _ = try port.attachWorker() }?.name == "ESHUTDOWN")
            #expect(
                refusal { () throws(IOCPError) in try port.listen(host: "127.0.0.1", port: 0) }?.name == "ESHUTDOWN")
        }
    }
}

private func configuration(_ driver: Driver) -> PortConfiguration {
    var configuration = PortConfiguration()
    configuration.driver = driver
    configuration.workers = 1
    configuration.workerPlacement = .unbound
    configuration.lingerTimeout = .seconds(30)
    return configuration
}

/// Echoes; takes leave of every connection when the port stops.
private struct Farewell: ConnectionHandler {
    let worker: Worker
    let log: Locked<[String]>
    var gate = Locked(true)
    var open: [Connection: IocpContext<Void>] = [:]

    mutating func opened(_ connection: IocpContext<Void>) { open[connection.connection] = connection }

    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        switch bytes.withUnsafeBytes({ String(decoding: $0, as: UTF8.self) }) {
        case "stop": worker.port.stop(drainingFor: .seconds(60))
        case "deaf":
            worker.port.stopListening()
            try connection.send("deaf")
        case "stall":
            log.withLock { $0.append("stalls") }
            while !gate.withLock({ $0 }) { sched_yield() }
        default: try connection.send(bytes)
        }
    }

    func posted(_ value: UInt64, to connection: IocpContext<Void>?, on worker: Worker) throws(IOCPError) {
        log.withLock { $0.append("posted \(value)") }
        guard value == 99 else { return }
        for connection in open.values { try connection.send("last post, ") }
    }

    func stopping(_ connections: borrowing ConnectionPool<Void>, on worker: Worker) throws(IOCPError) {
        log.withLock { $0.append("stopping with \(connections.count)") }
        try connections.forEach { connection throws(IOCPError) in try connection.send("good-bye") }
    }

    mutating func closed(_ connection: IocpContext<Void>, reason: CloseReason) {
        log.withLock { $0.append("closed") }
        open[connection.connection] = nil
    }

    func stopped(on worker: Worker) { log.withLock { $0.append("stopped") } }
}

import Glibc
import IOCP
import SharedHarness
import Testing

extension RealSockets.Async {
    @Suite struct Lives {
        @Test("leaving the body sends what was sent, and closes", arguments: testedDrivers)
        func leaving(driver: Driver) async throws {
            let bytes = pattern(1 << 20)
            try await withBodies(driver) { _, connection in
                try await connection.send(bytes)
            } use: { _, port, ledger in
                let peer = try Peer.connect(port: port)
                #expect(try peer.receive(bytes.count) == bytes)
                #expect(peer.end() == .finished)
                peer.finishSending()
                try await eventually("closed") { ledger.snapshot.closed == [.local] }
            }
        }

        private struct Oops: Error {}

        @Test("a body that hands back where no handler is closes", arguments: testedDrivers)
        func handingBackToNobody(driver: Driver) async throws {
            let server = try IOCPServer(oneWorker(driver)) { _, connection in connection.handBack() }
            let peer = try Peer.connect(port: server.listen(host: "127.0.0.1", port: 0).address!.port)
            #expect(peer.end() == .finished)
            server.stop()
            try await server.wait()
        }

        @Test("an error that leaves the body aborts, and closed tells it", arguments: testedDrivers)
        func throwing(driver: Driver) async throws {
            try await withBodies(driver) { _, connection in
                _ = try await connection.next()
                throw Oops()
            } use: { server, port, ledger in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                #expect(peer.end() == .reset)
                try await eventually("closed") { ledger.snapshot.closed.count == 1 }
                #expect(ledger.snapshot.closed == [.handlerThrew(IOCPError(wrapping: Oops()))])
                #expect((0..<2).reduce(0) { $0 + server.port.stats(ofWorker: $1).handlerErrors } == 1)
            }
        }

        @Test("onError is told what was thrown, and of whose body", arguments: testedDrivers)
        func throwingOfWhom(driver: Driver) async throws {
            let told = BodyNotes<BodyError>()
            let server = try IOCPServer(oneWorker(driver), onError: { told.add($0) }) { _, connection in
                _ = try await connection.next()
                throw Oops()
            }
            let peer = try Peer.connect(port: server.listen(host: "127.0.0.1", port: 0).address!.port)
            try peer.send([1])
            #expect(peer.end() == .reset)
            try await eventually("told") { told.all.count == 1 }
            let error = try #require(told.all.first)
            #expect(error.thrown is Oops)
            #expect(error.connection?.workerIndex == 0)
            #expect(error.peer == SocketAddress(bytes: [127, 0, 0, 1], port: peer.localPort))
            #expect("\(error)" == "the application's own error (EIO): Oops() (peer \(error.peer!))")
            #expect(server.port.stats(ofWorker: 0).handlerErrors == 1)
            server.stop()
            try await server.wait()
            #expect(told.all.count == 1)
        }

        @Test(
            "an error behind the close goes to failed, unless it says no more than the close", arguments: testedDrivers)
        func throwingLate(driver: Driver) async throws {
            let told = BodyNotes<BodyError>()
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.workers = 1
            let handler = BodyHandler(onError: { told.add($0) }) { _, connection in
                let first = try await connection.next()?.withBytes { $0.byte(at: 0) }
                while try await connection.receive({ _ in }) {}
                if first == 1 { throw Oops() }
            }
            let server = try IOCPServer(configuration) { _ in handler }
            let port = try server.listen(host: "127.0.0.1", port: 0).address!.port
            for first in [UInt8(0), 1, 2] {
                let peer = try Peer.connect(port: port)
                try peer.send([first])
                peer.finishSending()
                _ = peer.end()
            }
            let reset = try Peer.connect(port: port)
            try reset.send([0])
            reset.resetOnClose()
            try await eventually("told") { told.all.count == 1 }
            server.stop()
            try await server.wait()
            #expect(told.all.map(\.error.detail) == [IOCPError(wrapping: Oops()).detail])
        }

        @Test("a slow body holds its peer back, and takes no buffer from the others", arguments: testedDrivers)
        func slowBodies(driver: Driver) async throws {
            let release = Locked(false)
            let received = Locked(0)
            try await withBodies(
                driver,
                {
                    $0.workers = 1
                    $0.receiveBufferBytes = 4096
                    $0.receiveBuffersPerWorker = 16
                }
            ) { _, connection in
                guard let first = try await connection.next() else { return }
                if first.withBytes({ $0.byte(at: 0) }) == UInt8(ascii: "s") {
                    received.withLock { $0 += first.count - 1 }
                    while !release.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(1)) }
                    while try await connection.receive({ bytes in received.withLock { $0 += bytes.byteCount } }) {}
                    return
                }
                try await connection.send(first)
                while let bytes = try await connection.next() { try await connection.send(bytes) }
            } use: { _, port, _ in
                let slow = try (0..<40).map { _ in try Peer.connect(port: port) }
                for peer in slow { try peer.send([UInt8(ascii: "s")]) }
                // Each as much as the kernel takes: far more than all buffers.
                let block = [UInt8](repeating: 7, count: 65_536)
                var sent = 0
                for peer in slow {
                    for _ in 0..<8 {
                        sent += max(0, send(peer.fd, block, block.count, Int32(MSG_DONTWAIT | Int(MSG_NOSIGNAL))))
                    }
                }
                for round in 0..<20 { try echo(20_000, chunk: 3_000, port: port, seed: UInt64(round)) }
                release.withLock { $0 = true }
                for peer in slow { peer.finishSending() }
                try await eventually("all was read") { received.withLock { $0 } == sent }
            }
        }

        @Test("a stop lets bodies finish, and their input ends", arguments: testedDrivers)
        func stopping(driver: Driver) async throws {
            let begun = Locked(0)
            try await withBodies(driver, drainingFor: .seconds(10)) { _, connection in
                while let bytes = try await connection.next() {
                    begun.withLock { $0 += 1 }
                    try await Task.sleep(for: .milliseconds(50))
                    try await connection.send(bytes)
                }
            } use: { server, port, ledger in
                let peers = try (0..<50).map { _ in try Peer.connect(port: port) }
                for peer in peers { try peer.send([9]) }
                try await eventually("all are at it") { begun.withLock { $0 } == 50 }
                server.stop(drainingFor: .seconds(10))
                for peer in peers {
                    #expect(try peer.receive(1) == [9])
                    #expect(peer.end() == .finished)
                    peer.finishSending()
                }
                try await server.wait()
                #expect(ledger.snapshot.closed.allSatisfy { $0 == .local })
            }
        }

        @Test("a stop lets bodies finish what they ask of others", arguments: testedDrivers)
        func askingBeside(driver: Driver) async throws {
            let answers = Locked(false)
            let asked = Locked(0)
            try await withBodies(driver) { _, upstream in
                while let line = try await upstream.line() {
                    asked.withLock { $0 += 1 }
                    while !answers.withLock({ $0 }) { try await Task.sleep(for: .milliseconds(1)) }
                    try await upstream.send(line + "!\n")
                }
            } use: { _, upstreamPort, _ in
                try await withBodies(driver, drainingFor: .seconds(10)) { worker, client in
                    let upstream = try await worker.connect(host: "127.0.0.1", port: upstreamPort)
                    while let line = try await client.line() {
                        try await upstream.send(line + "\n")
                        try await client.send(upstream.line() ?? "nothing")
                    }
                } use: { server, port, _ in
                    let peers = try (0..<10).map { _ in try Peer.connect(port: port) }
                    for peer in peers { try peer.send("ho\n".utf8) }
                    try await eventually("all are asked") { asked.withLock { $0 } == 10 }
                    server.stop(drainingFor: .seconds(10))
                    try await eventually("it stops") { Peer.isRefused(by: port) }
                    answers.withLock { $0 = true }
                    for peer in peers {
                        #expect(try String(decoding: peer.receive(3), as: UTF8.self) == "ho!")
                        #expect(peer.end() == .finished)
                        peer.finishSending()
                    }
                    try await server.wait()
                }
            }
        }

        @Test("a body that outlasts the drain is cut off, and its server ends", arguments: testedDrivers)
        func outlasting(driver: Driver) async throws {
            let cancelled = Locked(false)
            try await withBodies(driver) { _, connection in
                _ = try await connection.next()
                while !Task.isCancelled { try? await Task.sleep(for: .milliseconds(1)) }
                cancelled.withLock { $0 = true }
            } use: { server, port, ledger in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                try await eventually("opened") { ledger.snapshot.opened == 1 }
                server.stop(drainingFor: .milliseconds(50))
                try await server.wait()
                #expect(cancelled.withLock { $0 })
            }
        }

        @Test("a stop ends 1,000 bodies that wait", arguments: testedDrivers)
        func manyWait(driver: Driver) async throws {
            let ended = Locked(0)
            try await withBodies(driver) { _, connection in
                _ = await failure { while try await connection.next() != nil {} }
                ended.withLock { $0 += 1 }
            } use: { server, port, ledger in
                let peers = try (0..<1_000).map { _ in try Peer.connect(port: port) }
                try await eventually("all are open") { ledger.snapshot.opened == peers.count }
                server.stop()
                try await server.wait()
                #expect(ended.withLock { $0 } == peers.count)
            }
        }

        @Test("run serves until its task is cancelled", arguments: testedDrivers)
        func running(driver: Driver) async throws {
            var configuration = PortConfiguration()
            configuration.driver = driver
            let ports = Locked<[Int]>([])
            let task = Task { [configuration] in
                try await IOCPServer.run(
                    configuration, host: "127.0.0.1", port: 0, onListening: { listener in ports.withLock { $0 = [listener.port] } }
                ) { _, connection in
                    while let line = try await connection.line() { try await connection.send(line + "!\n") }
                }
            }
            try await eventually("it listens") { ports.withLock { !$0.isEmpty } }
            let port = ports.withLock { $0[0] }
            let peer = try Peer.connect(port: port)
            try peer.send("ha\n".utf8)
            #expect(try peer.receive(4) == Array("ha!\n".utf8))
            task.cancel()
            try await task.value
            #expect(Peer.isRefused(by: port))
        }
    }

    @Suite struct Changes {
        /// Takes one line as a handler, then hands over to a body, which hands back behind "back".
        private struct Changing: ConnectionHandler, Handles.PeerFinished {
            let notes: BodyNotes<String>

            func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
                var input = bytes
                var buffer = FrameBuffer(Lines())
                while let line = try buffer.next(in: &input) {
                    let text = String(decoding: line.bytes)
                    notes.add("handler \(text)")
                    guard text == "over" else { continue }
                    let notes = notes
                    return try connection.upgrade(unread: input) { _, connection in
                        while let line = try await connection.line() {
                            notes.add("body \(line)")
                            if line == "back" { return connection.handBack() }
                        }
                    }
                }
            }

            func peerFinished(_ connection: IocpContext<Void>) throws(IOCPError) {
                notes.add("handler finished")
                connection.close()
            }
        }

        @Test("a connection goes to a body and back, with every byte", arguments: testedDrivers)
        func upgrading(driver: Driver) async throws {
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.deliversHalfClose = true
            let notes = BodyNotes<String>()
            let server = try IOCPServer(configuration) { _ in Changing(notes: notes) }
            let port = try server.listen(host: "127.0.0.1", port: 0).address!.port
            let peer = try Peer.connect(port: port)
            try peer.send("one\nover\ntwo\nthree\nback\nfour\n".utf8)
            try await eventually("six lines") { notes.all.count == 6 }
            try peer.send("over\nfive\nback\n".utf8)
            peer.finishSending()
            try await eventually("the end") { notes.all.last == "handler finished" }
            #expect(peer.end() == .finished)
            server.stop()
            try await server.wait()
            #expect(
                notes.all == [
                    "handler one", "handler over", "body two", "body three", "body back", "handler four",
                    "handler over", "body five", "body back", "handler finished",
                ])
        }

        @Test("a body connects, by address and by name, and relays both ways", arguments: testedDrivers)
        func relaying(driver: Driver) async throws {
            try await withBodies(driver) { _, connection in
                while let bytes = try await connection.next() { try await connection.send(bytes) }
            } use: { _, upstreamPort, _ in
                try await withBodies(driver) { worker, client in
                    let upstream = try await worker.connect(host: "localhost", port: upstreamPort, timeout: .seconds(5))
                    try await worker.concurrently {
                        while let bytes = try await client.next() { try await upstream.send(bytes) }
                        try upstream.finishSending()
                    } and: {
                        while let bytes = try await upstream.next() { try await client.send(bytes) }
                        try client.finishSending()
                    }
                } use: { _, port, _ in
                    try await onThreads(4) { thread in
                        for size in [1, 5_000, 2 << 20] {
                            try echo(size, chunk: 9_001, port: port, seed: UInt64(thread))
                        }
                    }
                }
            }
        }

        @Test("a connect that fails says why; one that is cancelled leaves nothing", arguments: testedDrivers)
        func failing(driver: Driver) async throws {
            let codes = BodyNotes<Int32?>()
            let listener = try SilentListener()
            try await withServer(driver) { server, port, _ in
                let actor = try server.port.actor(ofWorker: 0)
                await actor.run { worker in
                    codes.add(await failure { _ = try await worker.connect(host: "127.0.0.1", port: 1) }?.code)
                    codes.add(
                        await failure { _ = try await worker.connect(host: "no.such.name.invalid", port: 1) }?.code)
                    let task = Task {
                        _ = worker
                        return await failure {
                            _ = try await worker.connect(
                                to: SocketAddress(host: "127.0.0.1", port: listener.port), timeout: .seconds(30))
                        }?.code
                    }
                    for _ in 0..<10 { await Task.yield() }
                    task.cancel()
                    codes.add(await task.value)
                }
                var configuration = PortConfiguration()
                configuration.driver = driver
                configuration.workers = 1
                let client = try IOCPClient(configuration)
                for _ in 0..<3 {
                    let text = try await client.withConnection(host: "127.0.0.1", port: port) { _, connection in
                        try await connection.send("hallo\n")
                        return try await connection.line()
                    }
                    #expect(text == "hallo")
                }
                client.stop()
                try await client.wait()
            }
            #expect(codes.all.count == 3 && codes.all[0] == ECONNREFUSED && codes.all[2] == ECANCELED, "\(codes.all)")
        }
    }
}

import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Stopping, waiting and releasing, from everywhere.
    @Suite struct Ending {
        @Test("a handler that releases the last reference stops the server", arguments: testedDrivers)
        func releasedByAHandler(driver: Driver) async throws {
            let descriptorsBefore = openDescriptors()
            let ended = Locked(0)
            var configuration = oneWorker(driver)
            configuration.workers = 2
            let server = Locked<IOCPServer<Releasing>?>(nil)
            /// Leaves the only reference in `server`.
            func start() throws -> (CompletionPort, Int) {
                let made = try IOCPServer(configuration) { _ in
                    Releasing(ended: ended) { server.withLock { $0.take() } }
                }
                let address = try made.listen(host: "127.0.0.1", port: 0).address!
                server.withLock { $0 = made }
                return (made.port, address.port)
            }
            do {
                let (port, number) = try start()
                let others = try (0..<10).map { _ in try Peer.connect(port: number) }
                for peer in others {
                    try peer.send("echo".utf8)
                    #expect(try peer.receive(4) == Array("echo".utf8))
                }
                let last = try Peer.connect(port: number)
                try last.send("release".utf8)
                for peer in others + [last] { #expect([.finished, .reset].contains(peer.end())) }
                try await eventually("posts are refused") {
                    refusal { () throws(IOCPError) in try port.post(1, toWorker: 0) }?.name == "ESHUTDOWN"
                }
            }
            try await eventually("both workers ended") { ended.withLock { $0 } == 2 }
            try await eventually("nothing is left") { openDescriptors() <= descriptorsBefore }
        }

        @Test(
            "a handler that releases another server's or client's last reference does not wait",
            arguments: testedDrivers)
        func releasedByAnothersHandler(driver: Driver) async throws {
            let ended = Locked(0)
            let other = Locked<IOCPServer<Releasing>?>(nil)
            let client = Locked<IOCPClient<Releasing>?>(nil)
            other.withLock { $0 = try? IOCPServer(oneWorker(driver)) { _ in Releasing(ended: ended) { nil } } }
            client.withLock { $0 = try? IOCPClient(oneWorker(driver)) { _ in Releasing(ended: ended) { nil } } }
            let server = try IOCPServer(oneWorker(driver)) { _ in
                Releasing(ended: ended) {
                    client.withLock { $0 = nil }
                    return other.withLock { $0.take() }
                }
            }
            let peer = try Peer.connect(port: server.listen(host: "127.0.0.1", port: 0).address!.port)
            try peer.send("release".utf8)
            try await eventually("both ended") { ended.withLock { $0 } == 2 }
            try peer.send("echo".utf8)
            #expect(try peer.receive(4) == Array("echo".utf8))
            server.stop()
            try await server.wait()
        }

        @Test("every thread that waits returns after the stop", arguments: testedDrivers)
        func waitingTwice(driver: Driver) async throws {
            let ended = Locked(0)
            var configuration = oneWorker(driver)
            configuration.workers = 2
            let server = try IOCPServer(configuration) { _ in Releasing(ended: ended) { nil } }
            let waiting = Locked(0)
            let endedAtReturn = Locked<[Int]>([])
            try await onThreads(5) { thread in
                if thread == 4 {
                    while waiting.withLock({ $0 }) < 4 { usleep(1000) }
                    usleep(50_000)  // a wait that returns at once has returned by now
                    server.stop()
                } else {
                    waiting.withLock { $0 += 1 }
                    try server.wait()
                    endedAtReturn.withLock { $0.append(ended.withLock { $0 }) }
                }
            }
            #expect(endedAtReturn.withLock { $0 } == [2, 2, 2, 2])
            try await server.wait()  // and once more, at once
            server.stop()
        }

        @Test("a handler that waits is refused, with words, and one that stops is not", arguments: testedDrivers)
        func waitingInAHandler(driver: Driver) async throws {
            let box = Locked<IOCPServer<Waiting>?>(nil)
            let errors = Locked<[IOCPError?]>([])
            let other = try IOCPServer(oneWorker(driver)) { _ in Silent() }
            let server = try IOCPServer(oneWorker(driver)) { _ in
                Waiting {
                    let server = box.withLock { $0 }!
                    for _ in 0..<3 { server.stop(drainingFor: .seconds(5)) }
                    let own = refusal { () throws(IOCPError) in try server.wait() }
                    let others = refusal { () throws(IOCPError) in try other.wait() }
                    errors.withLock { $0 = [own, others] }
                }
            }
            box.withLock { $0 = server }
            let peer = try Peer.connect(port: server.listen(host: "127.0.0.1", port: 0).address!.port)
            try peer.send("wait".utf8)
            #expect(try peer.receive(4) == Array("wait".utf8))  // it stops only when this has left
            try await server.wait()
            box.withLock { $0 = nil }
            let said = errors.withLock { $0 }
            #expect(said.map { $0?.name } == ["EDEADLK", "EDEADLK"])
            #expect(said[0].map { "\($0)".contains("waiting here would never end") } == true)
        }

        @Test("stops from many threads and after the end are one stop", arguments: testedDrivers)
        func stoppingOften(driver: Driver) async throws {
            let server = try IOCPServer(oneWorker(driver)) { _ in Silent() }
            try await onThreads(8) { _ in
                for _ in 0..<100 { server.stop(drainingFor: .seconds(Int64.max)) }
                try server.wait()
                server.stop(drainingFor: .seconds(-1))
            }
        }
    }
}

/// Echoes; "release" lets go of what it is given first.
private struct Releasing: ConnectionHandler {
    let ended: Locked<Int>
    let release: @Sendable () -> AnyObject?

    init(ended: Locked<Int>, _ release: @escaping @Sendable () -> AnyObject?) {
        (self.ended, self.release) = (ended, release)
    }

    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        if bytes.byteCount == 7 {
            _ = release()
        } else {
            try connection.send(bytes)
        }
    }

    func stopped(on worker: Worker) { ended.withLock { $0 += 1 } }
}

private struct Waiting: ConnectionHandler {
    let body: @Sendable () -> Void

    init(_ body: @escaping @Sendable () -> Void) { self.body = body }

    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        body()
        try connection.send(bytes)
        connection.close()
    }
}

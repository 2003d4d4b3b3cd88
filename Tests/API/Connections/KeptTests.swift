import Glibc
import IOCP
import Testing

extension RealSockets {
    /// What is kept longer than its worker, its server or its port: it answers, and its memory is there.
    @Suite struct Kept {
        @Test("a context, received bytes and a batch outlive their worker and their port", arguments: testedDrivers)
        func beyondThePort(driver: Driver) async throws {
            let descriptorsBefore = openDescriptors()
            try await onThreads(1) { _ in
                let shelf = Shelf()
                do {
                    let port = try CompletionPort(oneWorker(driver))
                    let address = try port.listen(host: "127.0.0.1", port: 0).address!
                    let worker = try port.attachWorker()
                    let peer = try Peer.connect(port: address.port)
                    try peer.send("kept bytes".utf8)
                    var handler = Shelving(shelf: shelf)
                    try worker.run(&handler)
                    shelf.stats = port.stats(ofWorker: 0)
                }
                let context = try #require(shelf.context)
                let name = try #require(shelf.name)
                #expect(context.connection == name && !context.isOpen && context.isClosing)
                #expect(context.unsentByteCount == 0)
                #expect(refusal { () throws(IOCPError) in try context.send([1]) }?.name == "ENOTCONN")
                #expect(refusal { () throws(IOCPError) in try context.send("a") }?.name == "ENOTCONN")
                #expect(refusal { () throws(IOCPError) in try context.notifyWhenSent(key: 1) }?.name == "ENOTCONN")
                #expect(refusal { () throws(IOCPError) in try context.pauseReceiving() }?.name == "ENOTCONN")
                #expect(refusal { () throws(IOCPError) in try context.resumeReceiving() }?.name == "ENOTCONN")
                #expect(refusal { () throws(IOCPError) in try context.finishSending() }?.name == "ENOTCONN")
                #expect(refusal { () throws(IOCPError) in _ = try context.peerAddress() }?.name == "ENOTCONN")
                #expect(refusal { () throws(IOCPError) in _ = try context.localAddress() }?.name == "ENOTCONN")
                #expect(refusal { () throws(IOCPError) in _ = try context.counters() }?.name == "ENOTCONN")
                #expect(refusal { () throws(IOCPError) in _ = try context.option(.noDelay) }?.name == "ENOTCONN")
                #expect(
                    refusal { () throws(IOCPError) in try context.setOption(.noDelay, to: true) }?.name == "ENOTCONN")
                #expect(refusal { () throws(IOCPError) in _ = try context.info() }?.name == "ENOTCONN")
                #expect(refusal { () throws(IOCPError) in try context.setTimeouts(.init()) }?.name == "ENOTCONN")
                context.close()
                context.abort()
                // The bytes are where they were, and go back once: by a send that is refused, or dropped.
                #expect(shelf.text == "kept bytes")
                let refused = shelf.sendBytes(on: context)
                #expect(refused?.name == "ENOTCONN")
                #expect(shelf.text == nil)
                #expect(shelf.stats?.connections == 0)
            }
            try await eventually("the port's memory is gone") { openDescriptors() <= descriptorsBefore }
        }

        @Test("leases in a batch outlive their worker and their port", arguments: testedDrivers)
        func batches(driver: Driver) async throws {
            try await onThreads(1) { _ in
                var batch = CompletionBatch(capacity: 16)
                var index = 0
                do {
                    let port = try CompletionPort(oneWorker(driver))
                    let address = try port.listen(host: "127.0.0.1", port: 0).address!
                    let worker = try port.attachWorker()
                    let peer = try Peer.connect(port: address.port)
                    try peer.send("left in a batch".utf8)
                    index = try waitForBytes(worker, &batch)
                }
                if case .received(let count) = batch[index].event {
                    #expect(count == 15)
                } else {
                    Issue.record("not there")
                }
                let bytes = batch.takeBytes(at: index)!
                #expect(text(bytes.bytes) == "left in a batch")
            }
        }

        @Test("a worker that ended answers every call", arguments: testedDrivers)
        func workers(driver: Driver) async throws {
            let shelf = Locked<[Worker]>([])
            var configuration = oneWorker(driver)
            configuration.workers = 2
            do {
                let server = try IOCPServer(configuration) { worker in
                    shelf.withLock { $0.append(worker) }
                    return Silent()
                }
                try server.listen(host: "127.0.0.1", port: 0)
            }
            for worker in shelf.withLock({ $0 }) {
                var batch = CompletionBatch()
                var handler = Silent()
                let names = [
                    refusal { () throws(IOCPError) in _ = try worker.wait(into: &batch, timeout: .zero) },
                    refusal { () throws(IOCPError) in try worker.run(&handler) },
                    refusal { () throws(IOCPError) in
                        try worker.connect(to: try SocketAddress(host: "127.0.0.1", port: 9))
                    },
                    refusal { () throws(IOCPError) in try worker.startTimer(after: .zero, key: 1) },
                    refusal { () throws(IOCPError) in _ = try worker.arenaPages() },
                ].map { $0?.name }
                #expect(names == ["EDEADLK", "ESHUTDOWN", "ESHUTDOWN", "ESHUTDOWN", "ESHUTDOWN"])
                worker.leave(drainingFor: .seconds(1))
                #expect(worker.holdings.isEmpty)
                #expect(worker.now > .zero && worker.port.workerCount == 2 && worker.index < 2)
            }
        }

        @Test("bytes of one port sent on another's connection reach that one's peer", arguments: testedDrivers)
        func acrossPorts(driver: Driver) async throws {
            try await onThreads(1) { _ in
                let (first, second) = (try CompletionPort(oneWorker(driver)), try CompletionPort(oneWorker(driver)))
                let (left, right) = (try first.attachWorker(), try second.attachWorker())
                let peers = try [first, second].map {
                    try Peer.connect(port: $0.listen(host: "127.0.0.1", port: 0).address!.port)
                }
                var batch = CompletionBatch()
                try peers[1].send("hello".utf8)
                let target = batch[try waitForBytes(right, &batch)].connection!
                try peers[0].send("across".utf8)
                let index = try waitForBytes(left, &batch)
                // Both are the first connection of worker 0: their names are equal.
                #expect(batch[index].connection == target)
                try right.send(batch.takeBytes(at: index)!, to: target)
                _ = try right.wait(into: &batch, timeout: .milliseconds(1))
                _ = try left.wait(into: &batch, timeout: .milliseconds(1))
                #expect(try peers[1].receive(6) == Array("across".utf8))
                #expect(try peers[0].receiveWhatCame().isEmpty)
                #expect(left.holdings.leases == 0)
            }
        }

        @Test("the worker of a kept context traps once it was released")
        func workerAfterItsRelease() async throws {
            let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                try await onThreads(1) { _ in
                    let shelf = Shelf()
                    do {
                        let port = try CompletionPort(oneWorker(.epoll))
                        let address = try port.listen(host: "127.0.0.1", port: 0).address!
                        let worker = try port.attachWorker()
                        let peer = try Peer.connect(port: address.port)
                        try peer.send("x".utf8)
                        var handler = Shelving(shelf: shelf)
                        try worker.run(&handler)
                        shelf.bytes = nil
                        precondition(shelf.context!.worker === worker)  // closed, and its worker is there
                    }
                    print(shelf.context!.worker.index)
                }
            }
            expectMessage(result, "a kept context was asked for its worker, which was released")
        }

        @Test("the state of a closed connection traps with a message")
        func stateAfterClosed() async throws {
            let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                try await onThreads(1) { _ in
                    let shelf = Shelf()
                    let port = try CompletionPort(oneWorker(.epoll))
                    let address = try port.listen(host: "127.0.0.1", port: 0).address!
                    let worker = try port.attachWorker()
                    let peer = try Peer.connect(port: address.port)
                    try peer.send("x".utf8)
                    var handler = Shelving(shelf: shelf)
                    try worker.run(&handler)
                    shelf.bytes = nil
                    shelf.context!.state += 1
                }
            }
            expectMessage(result, "the state of a connection was asked for after its `closed`")
        }

        @Test("the state is whole behind a change that threw, and open while it changes", arguments: testedDrivers)
        func changes(driver: Driver) async throws {
            try await withChanging(driver) { state, context throws(IOCPError) in
                do throws(IOCPError) {
                    try change(&context.state) { _ throws(IOCPError) in throw IOCPError(code: EIO) }
                } catch {}
                let before = context.state
                change(&context.state) { $0 += context.isOpen ? 1 : 0 }
                let after = context.state
                state.withLock { $0 = after - before }
            }
        }

        @Test("asking for the state while it changes traps with a message", arguments: [true, false])
        func overlappingAccesses(changesAgain: Bool) async throws {
            let result =
                changesAgain
                ? await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                    try await withChanging(.epoll) { _, context in
                        change(&context.state) { _ in change(&context.state) { $0 += 1 } }
                    }
                }
                : await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                    try await withChanging(.epoll) { _, context in change(&context.state) { $0 = context.state + 1 } }
                }
            expectMessage(result, "overlapping accesses to the state of a connection")
        }
    }
}

private func change<Failure: Error>(_ state: inout Int, _ body: (inout Int) throws(Failure) -> Void) throws(Failure) {
    state += 1
    try body(&state)
}

/// Runs the body in a handler's `received`, once, and expects the peer's answer.
private func withChanging(
    _ driver: Driver, _ body: @escaping @Sendable (Locked<Int>, IocpContext<Int>) throws(IOCPError) -> Void
) async throws {
    let changed = Locked(0)
    try await onThreads(1) { _ in
        let port = try CompletionPort(oneWorker(driver))
        let address = try port.listen(host: "127.0.0.1", port: 0).address!
        let worker = try port.attachWorker()
        let peer = try Peer.connect(port: address.port)
        try peer.send("x".utf8)
        var handler = Changing(port: port) { context throws(IOCPError) in try body(changed, context) }
        try worker.run(&handler)
    }
    #expect(changed.withLock { $0 } == 2)
}

private struct Changing: ConnectionHandler {
    let port: CompletionPort
    let body: (IocpContext<Int>) throws(IOCPError) -> Void

    func makeState() -> Int { 0 }

    func received(_ bytes: RawSpan, on connection: IocpContext<Int>) throws(IOCPError) {
        try body(connection)
        port.stop()
    }
}

func oneWorker(_ driver: Driver) -> PortConfiguration {
    var configuration = PortConfiguration()
    configuration.driver = driver
    configuration.workers = 1
    configuration.workerPlacement = .unbound
    configuration.connectionsPerWorker = 64
    return configuration
}

/// A trap names the misuse. `result` is nil when the process ended otherwise, which was reported already.
func expectMessage(_ result: ExitTest.Result?, _ message: String, sourceLocation: SourceLocation = #_sourceLocation) {
    guard let result else { return }
    let said = String(decoding: result.standardErrorContent, as: UTF8.self)
    #expect(said.contains(message), sourceLocation: sourceLocation)
}

/// What a handler keeps.
private final class Shelf {
    var context: IocpContext<Int>?
    var name: Connection?
    var bytes: ReceivedBytes?
    var stats: WorkerStats?

    /// What the bytes are, which are put back.
    var text: String? {
        guard let taken = bytes.take() else { return nil }
        let said = read(taken)
        bytes = consume taken
        return said
    }

    func sendBytes(on context: IocpContext<Int>) -> IOCPError? {
        do throws(IOCPError) {
            if let bytes = bytes.take() { try context.send(bytes) }
            return nil
        } catch {
            return error
        }
    }
}

/// Keeps the context and the bytes of the first message, and stops the port.
private struct Shelving: ConnectionHandler {
    let shelf: Shelf
    func makeState() -> Int { 0 }

    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Int>) throws(IOCPError) {
        shelf.context = connection
        shelf.name = connection.connection
        shelf.bytes = consume bytes
        connection.abort()
    }

    func opened(_ connection: IocpContext<Int>) throws(IOCPError) {}

    func closed(_ connection: IocpContext<Int>, reason: CloseReason) { stop!() }
    var stop: (() -> Void)? = nil
    mutating func started(on worker: Worker) throws(IOCPError) { stop = { worker.port.stop() } }
}

/// Waits until a batch holds received bytes; returns where.
private func waitForBytes(_ worker: Worker, _ batch: inout CompletionBatch) throws -> Int {
    for _ in 0..<1000 {
        for index in 0..<(try worker.wait(into: &batch, timeout: .milliseconds(100))) {
            if case .received = batch[index].event { return index }
        }
    }
    throw CancellationError()
}

private func read(_ bytes: borrowing ReceivedBytes) -> String { text(bytes.bytes) }

private func text(_ bytes: RawSpan) -> String {
    bytes.withUnsafeBytes { String(decoding: $0, as: UTF8.self) }
}

/// Does nothing.
struct Silent: ConnectionHandler {
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) {}
}

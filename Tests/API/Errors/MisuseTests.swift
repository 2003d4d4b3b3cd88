import Glibc
import IOCP
import SharedHarness
import Testing

extension RealSockets {
    /// Calls from a place that they cannot be made from: each throws or traps, with words that name it.
    @Suite struct Misuse {
        @Test("a handler that takes completions itself is refused, and the server goes on", arguments: testedDrivers)
        func nestedWaits(driver: Driver) async throws {
            let notes = Locked<[String]>([])
            let server = try IOCPServer(oneWorker(driver)) { worker in
                let asker = Nested(worker: worker, notes: notes)
                asker.ask("before")  // no handler runs yet; its completions are the handler's all the same
                return asker
            }
            let address = try server.listen(host: "127.0.0.1", port: 0).address!
            let peer = try Peer.connect(port: address.port)
            try peer.send("echo".utf8)
            #expect(try peer.receive(4) == Array("echo".utf8))
            server.stop()
            try await server.wait()
            let places = ["before", "started", "opened", "received", "closed", "stopped"]
            #expect(
                notes.withLock { $0 }
                    == places.flatMap { ["\($0): wait EDEADLK", "\($0): run EDEADLK"] }
                    .filter { $0 != "before: run EDEADLK" })
        }

        @Test("nested in a worker of the caller's own thread, too", arguments: testedDrivers)
        func nestedOnAnAttachedWorker(driver: Driver) async throws {
            try await onThreads(1) { _ in
                let notes = Locked<[String]>([])
                let port = try CompletionPort(oneWorker(driver))
                let worker = try port.attachWorker()
                let address = try port.listen(host: "127.0.0.1", port: 0).address!
                let peer = try Peer.connect(port: address.port)
                try peer.send("stop".utf8)
                var handler = Nested(worker: worker, notes: notes)
                try worker.run(&handler)
                #expect(
                    notes.withLock { $0.count } == 10 && notes.withLock { $0.allSatisfy { $0.hasSuffix("EDEADLK") } })
                var batch = CompletionBatch()
                #expect(refusal { () throws(IOCPError) in _ = try worker.wait(into: &batch) }?.name == "ECANCELED")
                _ = peer
            }
        }

        @Test("a handler is not run on a worker whose completions were taken before", arguments: testedDrivers)
        func runAfterWait(driver: Driver) async throws {
            try await onThreads(1) { _ in
                let port = try CompletionPort(oneWorker(driver))
                let worker = try port.attachWorker()
                var batch = CompletionBatch()
                #expect(try worker.wait(into: &batch, timeout: .zero) == 0)
                var handler = Silent()
                let error = try #require(refusal { () throws(IOCPError) in try worker.run(&handler) })
                #expect(error.name == "EBUSY" && "\(error)".contains("would not know their connections"))
                #expect(try worker.wait(into: &batch, timeout: .zero) == 0)
            }
        }

        @Test("a worker that moved to another thread is refused there, and goes on at home", arguments: testedDrivers)
        func movedWorkers(driver: Driver) async throws {
            try await onThreads(1) { _ in
                let port = try CompletionPort(oneWorker(driver))
                let worker = try port.attachWorker()
                let address = try port.listen(host: "127.0.0.1", port: 0).address!
                let peer = try Peer.connect(port: address.port)
                try peer.send("home".utf8)
                let names = elsewhere {
                    var batch = CompletionBatch()
                    var handler = Silent()
                    return [
                        refusal { () throws(IOCPError) in _ = try worker.wait(into: &batch, timeout: .seconds(1)) },
                        refusal { () throws(IOCPError) in try worker.run(&handler) },
                        refusal { () throws(IOCPError) in try worker.connect(to: address) },
                        refusal { () throws(IOCPError) in try worker.startTimer(after: .zero, key: 1) },
                        refusal { () throws(IOCPError) in _ = try worker.arenaPages() },
                    ]
                }
                #expect(names.map { $0?.name } == .init(repeating: "EPERM", count: 5))
                #expect("\(try #require(names[0]))".contains("this is another thread than the worker's"))
                var batch = CompletionBatch()
                var echoed = false
                while !echoed {
                    for index in 0..<(try worker.wait(into: &batch, timeout: .seconds(5))) {
                        guard let bytes = batch.takeBytes(at: index) else { continue }
                        let connection = batch[index].connection!
                        #expect(
                            elsewhere {
                                refusal { () throws(IOCPError) in try worker.send([1].span.bytes, to: connection) }
                            }?.name == "EPERM")
                        try worker.send(bytes, to: connection)
                        echoed = true
                    }
                }
                _ = try worker.wait(into: &batch, timeout: .zero)
                #expect(try peer.receive(4) == Array("home".utf8))
            }
        }

        /// As the compiler lets it be written.
        @Test("a worker that moved into a detached task throws, and traps where it cannot")
        func detached() async throws {
            let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                let port = try CompletionPort(oneWorker(.uring))
                // On a thread of its own: whatever thread the task runs on is another one.
                let worker = try elsewhere { Result { try port.attachWorker() } }.get()
                await Task.detached {
                    var batch = CompletionBatch()
                    do {
                        _ = try worker.wait(into: &batch)
                    } catch {
                        let words = "thrown: \(error)\n"
                        write(STDERR_FILENO, words, words.utf8.count)
                    }
                    // And here the worker is released.
                }.value
            }
            expectMessage(result, "thrown: this is another thread than the worker's (EPERM)")
            expectMessage(result, "an attached worker was closed or released on another thread")
        }

        @Test("closing a connection on another thread traps")
        func closingElsewhere() async throws {
            let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                try await onThreads(1) { _ in
                    let port = try CompletionPort(oneWorker(.epoll))
                    let worker = try port.attachWorker()
                    let connection = try worker.connect(to: try port.listen(host: "127.0.0.1", port: 0).address!)
                    elsewhere { worker.abort(connection) }
                }
            }
            expectMessage(result, "used on another thread than the one that opened the worker")
        }

        @Test("the counters of a worker that there is not trap", arguments: [-1, 1, Int.max])
        func statsOfNone(worker: Int) async throws {
            let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                [worker = worker as Int] in
                _ = try CompletionPort(oneWorker(.epoll)).stats(ofWorker: worker)
            }
            expectMessage(result, "there is no worker \(worker): the port has 1, counted from 0")
        }

        @Test("a batch of a size that is none traps", arguments: [15, -1, Int.max])
        func batchSizes(capacity: Int) async throws {
            let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
                [capacity = capacity as Int] in
                _ = CompletionBatch(capacity: capacity)
            }
            expectMessage(result, "a batch holds 16 to 1,048,576 completions")
        }
    }
}

/// Tries to take completions at every event, and writes down how it was refused.
private struct Nested: ConnectionHandler {
    let worker: Worker
    let notes: Locked<[String]>

    func ask(_ place: String) {
        var batch = CompletionBatch()
        let wait = refusal { () throws(IOCPError) in _ = try worker.wait(into: &batch, timeout: .zero) }
        notes.withLock { $0.append("\(place): wait \(wait?.name ?? "taken")") }
        if place == "before" { return }
        var other = Silent()
        let run = refusal { () throws(IOCPError) in try worker.run(&other) }
        notes.withLock { $0.append("\(place): run \(run?.name ?? "ran")") }
    }

    func started(on worker: Worker) throws(IOCPError) { ask("started") }
    func opened(_ connection: IocpContext<Void>) throws(IOCPError) { ask("opened") }
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        ask("received")
        try connection.send(bytes)
        if bytes.byteCount == 4, bytes.unsafeLoad(as: UInt8.self) == UInt8(ascii: "s") { worker.port.stop() }
    }
    func closed(_ connection: IocpContext<Void>, reason: CloseReason) { ask("closed") }
    func stopped(on worker: Worker) { ask("stopped") }
}

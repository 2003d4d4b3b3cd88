import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Sizes, indices and times of the user's: refused by name or kept exactly, whatever they are.
    @Suite struct Sizes {
        @Test(
            "a message that is larger than any is refused whole", arguments: testedDrivers, [2 << 30, 4 << 30, 5 << 30])
        func largeSends(driver: Driver, count: Int) async throws {
            let errors = Locked<[IOCPError?]>([])
            var behaviour = Behaviour()
            behaviour.received = { bytes, connection throws(IOCPError) in
                let error = huge(count) { span in
                    refusal { () throws(IOCPError) in try connection.send(span) }
                }
                errors.withLock { $0.append(error) }
                try connection.send(bytes)
            }
            try await withServer(driver, { $0.overflowPolicy = .refuse }, behaviour) { server, port, _ in
                let peer = try Peer.connect(port: port)
                try peer.send("still there".utf8)
                #expect(try peer.receive(11) == Array("still there".utf8))
            }
            #expect(errors.withLock { $0.map { $0?.name } } == ["EMSGSIZE"])
            let words = "\(try #require(errors.withLock { $0[0] }))"
            #expect(words == "the message alone is larger than sendCap (EMSGSIZE): waiting makes no room for it: raise sendCap, or send it in parts")
        }

        @Test("where the cap closes, a message that is larger than any closes", arguments: testedDrivers)
        func largeSendsClose(driver: Driver) async throws {
            var behaviour = Behaviour()
            behaviour.received = { bytes, connection throws(IOCPError) in
                let error = huge(5 << 30) { span in refusal { () throws(IOCPError) in try connection.send(span) } }
                #expect(error?.name == "EMSGSIZE")
            }
            try await withServer(driver, { _ in }, behaviour) { _, port, ledger in
                let peer = try Peer.connect(port: port)
                try peer.send("x".utf8)
                #expect(peer.end() == .reset)
                try await eventually("closed") { ledger.snapshot.closed == [.sendOverflow] }
            }
        }

        @Test("in the raw style and as shared bytes, too", arguments: testedDrivers)
        func largeRawSends(driver: Driver) async throws {
            try await onThreads(1) { _ in
                let port = try CompletionPort(oneWorker(driver))
                let worker = try port.attachWorker()
                let connection = try worker.connect(to: try port.listen(host: "127.0.0.1", port: 0).address!)
                var batch = CompletionBatch()
                var opened = false
                while !opened {
                    for index in 0..<(try worker.wait(into: &batch, timeout: .seconds(5))) {
                        if batch[index].event == .opened && batch[index].connection == connection { opened = true }
                    }
                }
                let sent = huge(4 << 30) { span in
                    refusal { () throws(IOCPError) in try worker.send(span, to: connection) }
                }
                let shared = huge(5 << 30) { span in refusal { () throws(IOCPError) in _ = try SharedBytes(span) } }
                #expect(sent?.name == "EMSGSIZE" && shared?.name == "EMSGSIZE")
            }
        }

        @Test("a worker that there is not is refused by name", arguments: testedDrivers)
        func indices(driver: Driver) throws {
            var configuration = oneWorker(driver)
            configuration.workers = 2
            let client = try IOCPClient(configuration) { _ in Silent() }
            let address = try SocketAddress(host: "127.0.0.1", port: 9)
            for worker in [-1, 2, 5, 1 << 32, .min, .max] {
                let errors = [
                    refusal { () throws(IOCPError) in try client.port.post(1, toWorker: worker) },
                    refusal { () throws(IOCPError) in try client.connect(to: address, onWorker: worker) },
                ]
                for error in errors {
                    #expect(error?.name == "EINVAL")
                    #expect(error?.detail == "there is no worker \(worker): the port has 2, counted from 0")
                }
            }
            #expect(client.port.stats(ofWorker: 1).connections == 0)
        }

        @Test("times of any length are kept, and one below zero is over", arguments: testedDrivers)
        func times(driver: Driver) async throws {
            try await onThreads(1) { _ in
                let port = try CompletionPort(oneWorker(driver))
                let worker = try port.attachWorker()
                var batch = CompletionBatch()
                let start = ContinuousClock.now
                #expect(try worker.wait(into: &batch, timeout: .seconds(-5)) == 0)
                #expect(ContinuousClock.now - start < .seconds(2))
                let long: [Duration] = [
                    .seconds(172_800), .seconds(86_400 * 400), .seconds(Int64.max), .nanoseconds(Int64.max),
                ]
                let timers = try long.map { try worker.startTimer(after: $0, key: 1) }
                try worker.startTimer(after: .seconds(-1), key: 2)
                try worker.startTimer(after: .seconds(Int64.min), key: 3)
                var fired: Set<UInt64> = []
                while fired.count < 2 {
                    // Nothing else comes, so a wait without an end ends with the timers.
                    for index in 0..<(try worker.wait(into: &batch, timeout: .seconds(Int64.max))) {
                        #expect(batch[index].event == .timer(nil))
                        fired.insert(batch[index].key)
                    }
                }
                #expect(fired == [2, 3] && worker.holdings.deadlines == long.count)
                for timer in timers { try worker.cancelTimer(timer) }
                #expect(try worker.wait(into: &batch, timeout: .zero) == long.count)
                worker.leave(drainingFor: .seconds(Int64.max))
                #expect(try worker.wait(into: &batch) == 1 && batch[0].event == .stopping)
                #expect(refusal { () throws(IOCPError) in _ = try worker.wait(into: &batch) }?.name == "ECANCELED")
            }
        }

        @Test("a configuration's field that the core would have to change is refused")
        func configurations() throws {
            let changes: [(field: String, change: @Sendable (inout PortConfiguration) -> Void)] = [
                ("lingerTimeout", { $0.lingerTimeout = .seconds(-1) }),
                ("linger", { $0.lingerTimeout = .seconds(Int64.max) }),
                ("idleTimeout", { $0.idleTimeout = .seconds(-1) }),
                ("idleTimeout", { $0.idleTimeout = .zero }),
                ("idle", { $0.idleTimeout = .seconds(Int64.max) }),
                ("receiveTimeout", { $0.receiveTimeout = .zero }),
                ("receiveTimeout", { $0.receiveTimeout = .milliseconds(-1) }),
                ("sendTimeout", { $0.sendTimeout = .zero }),
                ("sendTimeout", { $0.sendTimeout = .seconds(Int64.min) }),
                ("spinBeforeSleep", { $0.spinBeforeSleep = .nanoseconds(-1) }),
                ("busyPoll", { $0.busyPoll = .microseconds(-1) }),
                ("busyPoll", { $0.busyPoll = .nanoseconds(1500) }),
                ("busyPoll", { $0.busyPoll = .seconds(5000) }),
                ("unsentBytesPerWorker", { $0.unsentBytesPerWorker = -1 }),
                ("workers", { $0.workers = -1 }),
                ("workers", { $0.workers = .max }),
                ("sendCap", { $0.sendCap = 1 << 31 }),
                ("sendCap", { $0.sendCap = 1 << 40 }),
            ]
            for (field, change) in changes {
                var configuration = PortConfiguration()
                change(&configuration)
                let error = refusal { () throws(IOCPError) in _ = try CompletionPort(configuration) }
                #expect(error?.name == "EINVAL" && error?.operation == .configuration, "\(field)")
                let named = error?.detail?.replacing("_", with: "").lowercased().contains(field.lowercased())
                #expect(named == true, "\(field): \(String(describing: error?.detail))")
            }
        }
    }
}

/// A span of bytes that take no memory: nobody may read them.
private func huge<Result>(_ count: Int, _ body: (RawSpan) -> Result) -> Result {
    let flags = Int32(MAP_PRIVATE) | Int32(MAP_ANONYMOUS) | Int32(MAP_NORESERVE)
    let start = mmap(nil, count, PROT_NONE, flags, -1, 0)!
    precondition(start != MAP_FAILED)
    defer { munmap(start, count) }
    return body(UnsafeRawBufferPointer(start: start, count: count).bytes)
}

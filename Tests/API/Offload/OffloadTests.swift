import CIOCPInternals
import Glibc
import IOCP
import SharedHarness
import Testing

extension RealSockets.Offload {
    @Test("results come in the order of the calls, in whatever order work ends", arguments: testedDrivers)
    func order(driver: Driver) async throws {
        try await withServer(
            driver,
            { ($0.offloadThreads, $0.offloadQueueEntries) = (8, 4096) },
            .offloading { byte in
                usleep(.random(in: 0..<1_500))
                return byte
            }
        ) { server, port, _ in
            try await onThreads(10) { _ in
                let peer = try Peer.connect(port: port)
                for round in 0..<4 {
                    let bytes = (0..<50).map { UInt8(round * 50 + $0) }
                    try peer.send(bytes)
                    #expect(try peer.receive(50) == bytes)
                }
            }
            let stats = total(of: server.port)
            #expect(stats.offloads == 2_000 && stats.offloadDepth == 0 && stats.droppedOffloads == 0)
            #expect(server.port.offloadThreadCount == 8 && stats.offloadThreads == 8)
        }
    }

    @Test("20,000 pieces of work of 50 connections", arguments: testedDrivers)
    func storm(driver: Driver) async throws {
        try await withServer(driver, { $0.offloadQueueEntries = 32_768 }, .offloading { $0 &+ 1 }) { server, port, _ in
            try await onThreads(5) { _ in
                let peers = try (0..<10).map { _ in try Peer.connect(port: port) }
                let bytes = pattern(400)
                for peer in peers { try peer.send(bytes) }
                for peer in peers { #expect(try peer.receive(400) == bytes.map { $0 &+ 1 }) }
            }
            let stats = total(of: server.port)
            #expect(stats.offloads == 20_000 && stats.offloadDepth == 0 && stats.refusedOffloads == 0)
        }
    }

    /// 10 ms or for ever: no other connection waits for it.
    @Test("others are served while more work blocks than there are threads", arguments: testedDrivers)
    func othersAreServed(driver: Driver) async throws {
        let gate = Gate()
        var behaviour = Behaviour.offloading { byte in
            gate.pass()
            return byte
        }
        let offloads = behaviour.received
        behaviour.received = { bytes, connection throws(IOCPError) in
            let isWork = bytes.withBytes { [UInt8]($0) == [0] }
            if isWork { try offloads(bytes, connection) } else { try connection.send(bytes) }
        }
        try await withServer(driver, { $0.workers = 1 }, behaviour) { server, port, _ in
            defer { gate.open() }
            var first: UInt32 = 0
            let most = 2 * Int(iocp_cpus_allowed(&first, 1))
            let blocked = try (0..<2 * most).map { _ in try Peer.connect(port: port) }
            for peer in blocked { try peer.send([0]) }
            try await eventually("every thread is taken") { gate.inside == most }
            try await eventually("the rest waits") { total(of: server.port).offloadDepth == 2 * most }
            #expect(server.port.offloadThreadCount == most)
            try await onThreads(1) { _ in
                let other = try Peer.connect(port: port)
                for round: UInt8 in 1...100 {
                    try other.send([round])
                    #expect(try other.receive(1) == [round])
                }
            }
            gate.open()
            try await onThreads(1) { _ in
                for peer in blocked {
                    let answer = try peer.receive(1)
                    #expect(answer == [0])
                }
            }
        }
    }

    @Test("a full queue refuses by name, and takes more once there is room", arguments: testedDrivers)
    func fullQueue(driver: Driver) async throws {
        let gate = Gate()
        let behaviour = Behaviour.offloading { byte in
            gate.pass()
            return byte
        }
        try await withServer(driver, { ($0.offloadThreads, $0.offloadQueueEntries) = (1, 2) }, behaviour) {
            server, port, _ in
            try await onThreads(1) { _ in
                let peer = try Peer.connect(port: port)
                try peer.send([1, 2, 3, 4, 5])
                // What is refused is so at once, before the first has ended.
                #expect(try peer.receive(2) == Array("FF".utf8))
                gate.open()
                #expect(try peer.receive(3) == [1, 2, 3])
                try peer.send([6])
                #expect(try peer.receive(1) == [6])
            }
            let stats = total(of: server.port)
            #expect(stats.refusedOffloads == 2 && stats.offloads == 4)
        }
    }

    @Test("what work throws is its result; what is made of it may throw", arguments: testedDrivers)
    func errors(driver: Driver) async throws {
        struct Refused: Error {}
        var behaviour = Behaviour.offloading { byte in
            if byte == 1 { throw Refused() }
            return byte
        }
        let usual = behaviour.received
        behaviour.received = { bytes, connection throws(IOCPError) in
            let isThrown = bytes.withBytes { [UInt8]($0) == [9] }
            guard isThrown else { return try usual(bytes, connection) }
            try connection.offload {
            } then: { _, _ in
                throw Refused()
            }
        }
        try await withServer(driver, { $0.workers = 1 }, behaviour) { server, port, ledger in
            try await onThreads(1) { _ in
                let peer = try Peer.connect(port: port)
                try peer.send([1, 2])
                #expect(try peer.receive(2) == Array("E".utf8) + [2])
                try peer.send([9])
                #expect(peer.end() == .reset)
            }
            try await eventually("closed") { ledger.snapshot.closed.count == 1 }
            guard case .handlerThrew(let error) = ledger.snapshot.closed[0] else {
                Issue.record("closed for another reason: \(ledger.snapshot.closed)")
                return
            }
            #expect(error.detail?.contains("Refused") == true)
            #expect(total(of: server.port).handlerErrors == 1)
        }
    }

    /// The wait that ends for a result brings no completions, and the turn is measured all the same.
    @Test("a turn of results is measured and named", arguments: testedDrivers)
    func turns(driver: Driver) async throws {
        var behaviour = Behaviour()
        behaviour.received = { _, connection throws(IOCPError) in
            try connection.offload {
            } then: { _, connection in
                usleep(30_000)
                try connection.send("x")
            }
        }
        try await withServer(driver, { $0.workers = 1 }, behaviour) { server, port, _ in
            try await onThreads(1) { _ in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                #expect(try peer.receive(1) == Array("x".utf8))
            }
            let stats = server.port.stats(ofWorker: 0)
            #expect(stats.longestTurn >= .milliseconds(30) && stats.longestTurnCause == .offloaded)
        }
    }

    @Test("neither results nor completions starve the other", arguments: testedDrivers)
    func slices(driver: Driver) async throws {
        let gate = Gate()
        let longest = Locked(0)
        var behaviour = Behaviour()
        behaviour.received = { bytes, connection throws(IOCPError) in
            let bytes = [UInt8](bytes.bytes)
            if bytes == [0] {
                // All are back before the first is handed over, and each goes round again for a while.
                for _ in 0..<500 {
                    try connection.offload {
                        gate.pass()
                    } then: { _, connection in
                        longest.withLock { $0 += 1 }
                        try again(connection, 20)
                    }
                }
            } else {
                try connection.send(bytes)
            }
        }
        @Sendable func again(_ connection: Behaviour.Context, _ left: Int) throws(IOCPError) {
            guard left > 0 else { return }
            try connection.offload {
            } then: { _, connection in
                longest.withLock { $0 += 1 }
                try again(connection, left - 1)
            }
        }
        try await withServer(driver, { ($0.workers, $0.offloadQueueEntries) = (1, 1024) }, behaviour) { _, port, _ in
            let noisy = try Peer.connect(port: port)
            try noisy.send([0])
            try await eventually("work has begun") { gate.inside > 0 }
            gate.open()
            try await onThreads(1) { _ in
                let peer = try Peer.connect(port: port)
                for round: UInt8 in 1...100 {
                    try peer.send([round])
                    #expect(try peer.receive(1) == [round])
                }
            }
            try await eventually("all results came") { longest.withLock { $0 } == 500 * 21 }
            withExtendedLifetime(noisy) {}
        }
    }

    /// Threads of a bound worker's would stay on its one CPU.
    @Test("work of bound workers runs on every CPU", arguments: testedDrivers)
    func everywhere(driver: Driver) async throws {
        var first: UInt32 = 0
        let all = UInt8(clamping: iocp_cpus_allowed(&first, 1))
        let behaviour = Behaviour.offloading { _ in
            var first: UInt32 = 0
            return UInt8(clamping: iocp_cpus_allowed(&first, 1))
        }
        try await withServer(driver, { $0.workerPlacement = .everyCPU }, behaviour) { server, port, _ in
            try await onThreads(4) { _ in
                let peer = try Peer.connect(port: port)
                try peer.send([1, 2, 3, 4])
                #expect(try peer.receive(4) == [all, all, all, all])
            }
        }
    }

    @Test("work without a connection, in a handler and in a loop of one's own", arguments: testedDrivers)
    func ofWorkers(driver: Driver) async throws {
        var behaviour = Behaviour()
        behaviour.posted = { value, _, worker throws(IOCPError) in
            let thread = pthread_self()
            let answers = worker.port
            try worker.offload {
                value + 1
            } then: { result in
                #expect(pthread_equal(thread, pthread_self()) != 0)
                if value < 10, let next = try? result.get() { try? answers.post(next, toWorker: 0) }
            }
        }
        try await withServer(driver, { $0.workers = 1 }, behaviour) { server, _, _ in
            try server.port.post(1, toWorker: 0)
            try await eventually("it went round") { total(of: server.port).offloads == 10 }
        }
        try await onThreads(1) { _ in
            let worker = try CompletionPort(oneWorker(driver)).attachWorker()
            let found = Locked<[Int]>([])
            for number in 0..<200 {
                try worker.offload {
                    number
                } then: { result in
                    found.withLock { $0.append(try! result.get()) }
                }
            }
            var batch = CompletionBatch()
            while found.withLock({ $0.count }) < 200 { _ = try worker.wait(into: &batch, timeout: .seconds(10)) }
            #expect(Set(found.withLock { $0 }) == Set(0..<200))
            let elsewhere = refusal { () throws(IOCPError) in
                try onAnother { () throws(IOCPError) in
                    try worker.offload {
                    } then: { _ in
                    }
                }
            }
            #expect(elsewhere?.code == EPERM && elsewhere?.operation == .offload)
        }
    }
}

/// Runs a call on another thread than this one.
private func onAnother(_ call: () throws(IOCPError) -> Void) throws(IOCPError) {
    nonisolated(unsafe) var error: IOCPError?
    elsewhere { error = refusal(call) }
    if let error { throw error }
}

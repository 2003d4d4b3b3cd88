import Glibc
import IOCP
import Testing

extension RealSockets.Async {
    @Suite struct Echoing {
        @Test("messages of 0 B to 8 MiB come back byte for byte, as leases", arguments: testedDrivers)
        func leases(driver: Driver) async throws {
            try await withBodies(driver) { _, connection in
                while let bytes = try await connection.next() { try await connection.send(bytes) }
            } use: { _, port, _ in
                let sizes = [0, 1, 64, 4097, 65_536, 300_001, 1 << 20, 8 << 20]
                try await onThreads(4) { thread in
                    for (index, size) in sizes.enumerated() where index % 4 == thread {
                        try echo(size, chunk: 1 + size / 7 | 1, port: port, seed: UInt64(size))
                    }
                }
            }
        }

        @Test("and as copies", arguments: testedDrivers)
        func copies(driver: Driver) async throws {
            try await withBodies(driver) { _, connection in
                var bytes: [UInt8] = []
                while try await connection.receive({ bytes = [UInt8]($0) }) { try await connection.send(bytes) }
            } use: { _, port, _ in
                try await onThreads(4) { thread in
                    for size in [1, 777, 65_536, 3_000_001] {
                        try echo(size, chunk: 10_007, port: port, seed: UInt64(thread))
                    }
                }
            }
        }

        /// A task beside the body awaits by a second job: what came between the two used to wake nobody.
        @Test("no wake-up is lost where more is to do than a turn takes", arguments: testedDrivers)
        func crowds(driver: Driver) async throws {
            try await withBodies(driver, { $0.workers = 1 }) { worker, connection in
                let other = Task {
                    _ = worker
                    while let bytes = try await connection.next() { try await connection.send(bytes) }
                }
                try await other.value
            } use: { _, port, _ in
                try await onThreads(1) { _ in
                    let peers = try (0..<600).map { _ in try Peer.connect(port: port) }
                    for round in 0..<20 {
                        for peer in peers { try peer.send([UInt8(round)]) }
                        for peer in peers { try #require(peer.receive(1) == [UInt8(round)]) }
                    }
                }
            }
        }

        @Test("a port of few, small buffers starves nobody and loses nothing", arguments: testedDrivers)
        func fewBuffers(driver: Driver) async throws {
            try await withBodies(
                driver,
                {
                    $0.workers = 1
                    $0.receiveBufferBytes = 4096
                    $0.receiveBuffersPerWorker = 2
                    $0.completionQueueEntries = 64
                }
            ) { _, connection in
                while let bytes = try await connection.next() { try await connection.send(bytes) }
            } use: { _, port, _ in
                try await onThreads(8) { thread in
                    for round in 0..<10 {
                        try echo(50_000, chunk: 4099, port: port, seed: UInt64(thread * 100 + round))
                    }
                }
            }
        }

        @Test("what the peer sent before its FIN is read, and answered behind it", arguments: testedDrivers)
        func halfClose(driver: Driver) async throws {
            try await withBodies(driver) { _, connection in
                var all: [UInt8] = []
                while try await connection.receive({ $0.append(to: &all) }) {}
                try await connection.send(all)
            } use: { _, port, _ in
                let peer = try Peer.connect(port: port)
                let bytes = pattern(200_000)
                try peer.send(bytes)
                peer.finishSending()
                #expect(try peer.receive(bytes.count) == bytes)
                #expect(peer.end() == .finished)
            }
        }

        @Test("more than the cap leaves in parts, as the peer reads", arguments: testedDrivers)
        func beyondTheCap(driver: Driver) async throws {
            let bytes = pattern(6 << 20)
            try await withBodies(
                driver,
                {
                    $0.sendCap = 256 * 1024
                    $0.sendHighWatermark = 128 * 1024
                    $0.sendLowWatermark = 1024
                }
            ) {
                _, connection in
                try await connection.send(bytes)
            } use: { server, port, _ in
                let peer = try Peer.connect(port: port, receiveBufferBytes: 4096)
                #expect(try peer.receive(bytes.count) == bytes)
                #expect(peer.end() == .finished)
                #expect((0..<2).allSatisfy { server.port.stats(ofWorker: $0).refusedSends == 0 })
            }
        }

        @Test("a flush returns once everything was taken", arguments: testedDrivers)
        func flushing(driver: Driver) async throws {
            let unsent = BodyNotes<Int>()
            try await withBodies(driver) { _, connection in
                for _ in 0..<3 {
                    try await connection.send([UInt8](repeating: 7, count: 10_000).span.bytes)
                    try await connection.flush()
                    unsent.add(connection.unsentByteCount)
                }
            } use: { _, port, _ in
                let peer = try Peer.connect(port: port)
                #expect(try peer.receive(30_000).count == 30_000)
                #expect(peer.end() == .finished)
            }
            #expect(unsent.all == [0, 0, 0])
        }
    }

    @Suite struct OnTheThread {
        @Test("a task that a body made needs no thread of the pool", arguments: testedDrivers)
        func poolIsBlocked(driver: Driver) async throws {
            try await withBodies(driver, { $0.workers = 1 }) { worker, connection in
                let other = Task {
                    _ = worker
                    while let bytes = try await connection.next() {
                        try await connection.send(bytes)
                        try await connection.flush()
                    }
                }
                try await other.value
            } use: { _, port, _ in
                let gate = Gate()
                defer { gate.open() }
                for _ in 0..<sysconf(Int32(_SC_NPROCESSORS_ONLN)) { Task.detached { gate.pass() } }
                try await eventually("the pool blocks") { gate.inside > 0 }
                let peer = try Peer.connect(port: port)
                for round: UInt8 in 0..<10 {
                    try peer.send([round])
                    try #require(peer.receive(1) == [round])
                }
                peer.finishSending()
                #expect(peer.end() == .finished)
            }
        }

        @Test("every resumption is on the worker's thread, wherever the await went", arguments: testedDrivers)
        func resumptions(driver: Driver) async throws {
            let strays = Locked(0)
            try await withBodies(driver) { worker, connection in
                let home = pthread_self()
                func look() { if pthread_equal(pthread_self(), home) == 0 { strays.withLock { $0 += 1 } } }
                while let bytes = try await connection.next() {
                    look()
                    worker.preconditionIsolated()
                    async let seven = elsewhere(home, strays)
                    #expect(await seven == 7)
                    look()
                    try await Task.sleep(for: .microseconds(100))
                    look()
                    await Task.yield()
                    look()
                    await Task {
                        _ = worker
                        look()
                        // It prefers no executor: its actor alone keeps it on the thread.
                        try? await connection.flush()
                        look()
                    }.value
                    await withTaskGroup(of: Void.self) { group in
                        for _ in 0..<3 { group.addTask { await Task.yield() } }
                    }
                    look()
                    try await connection.send(bytes)
                    look()
                }
            } use: { _, port, _ in
                try await onThreads(4) { thread in
                    for _ in 0..<10 { try echo(4_096, chunk: 512, port: port, seed: UInt64(thread)) }
                }
            }
            #expect(strays.withLock { $0 } == 0)
        }

        @Test("a message of a body that keeps up is one job", arguments: testedDrivers)
        func oneJob(driver: Driver) async throws {
            try await withBodies(driver, { $0.workers = 1 }) { _, connection in
                while let bytes = try await connection.next() { try await connection.send(bytes) }
            } use: { server, port, _ in
                let peer = try Peer.connect(port: port)
                for _ in 0..<1_000 {
                    try peer.send([1])
                    #expect(try peer.receive(1) == [1])
                }
                let stats = server.port.stats(ofWorker: 0)
                #expect(stats.jobs <= 1_001 && stats.jobs >= 1_000 && stats.waitingJobs == 0, "\(stats.jobs) jobs")
            }
        }

        @Test("bodies that yield for ever take nobody's turn", arguments: testedDrivers)
        func endlessYields(driver: Driver) async throws {
            try await withBodies(driver, { $0.workers = 1 }) { _, connection in
                guard let first = try await connection.next() else { return }
                if first.withBytes({ $0.byte(at: 0) }) == UInt8(ascii: "y") {
                    while !Task.isCancelled { await Task.yield() }
                    return
                }
                try await connection.send(first)
                while let bytes = try await connection.next() { try await connection.send(bytes) }
            } use: { _, port, _ in
                let busy = try (0..<10).map { _ in try Peer.connect(port: port) }
                for peer in busy { try peer.send([UInt8(ascii: "y")]) }
                let peer = try Peer.connect(port: port)
                for _ in 0..<200 {
                    try peer.send([UInt8(ascii: "x")])
                    #expect(try peer.receive(1) == [UInt8(ascii: "x")])
                }
                for peer in busy { peer.resetOnClose() }
            }
        }

        @Test("code from elsewhere runs on a worker, and its result comes back", arguments: testedDrivers)
        func fromElsewhere(driver: Driver) async throws {
            try await withServer(driver) { server, _, _ in
                for index in 0..<2 {
                    let actor = try server.port.actor(ofWorker: index)
                    let found = await actor.run { worker in
                        worker.preconditionIsolated()
                        return worker.worker.index
                    }
                    #expect(found == index)
                }
                let refused = refusal { () throws(IOCPError) in _ = try server.port.actor(ofWorker: 2) }
                #expect(refused?.code == EINVAL)
                let counted = Locked(0)
                let executor = try server.port.actor(ofWorker: 0).executor
                await withTaskGroup(of: Void.self) { group in
                    for _ in 0..<1_000 {
                        group.addTask(executorPreference: executor) { counted.withLock { $0 += 1 } }
                    }
                }
                #expect(counted.withLock { $0 } == 1_000)
            }
        }

        @Test("a job that comes after the worker has ended runs all the same", arguments: testedDrivers)
        func afterTheEnd(driver: Driver) async throws {
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.workers = 1
            let server = try IOCPServer(configuration) { _, _ in }
            let actor = try server.port.actor(ofWorker: 0)
            server.stop()
            try await server.wait()
            #expect(await actor.run { _ in 7 } == 7)
            #expect(await Task(executorPreference: actor.executor) { 8 }.value == 8)
        }
    }
}

@concurrent private func elsewhere(_ home: pthread_t, _ strays: Locked<Int>) async -> Int {
    if pthread_equal(pthread_self(), home) == 0 { strays.withLock { $0 += 1 } }
    return 7
}

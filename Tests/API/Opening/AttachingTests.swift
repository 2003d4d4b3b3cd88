import CIOCPInternals
import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Workers that open one after the other, or not at all: clients and posts reach those that are open, and no other.
    @Suite struct Attaching {
        @Test("every client is served while one of two workers is open", arguments: testedDrivers, [true, false])
        func oneOfTwo(driver: Driver, listensFirst: Bool) async throws {
            let port = try twoWorkers(driver)
            let early = listensFirst ? try port.listen(host: "127.0.0.1", port: 0).address! : nil
            try await withEcho(on: port) { _ in
                let address = try early ?? port.listen(host: "127.0.0.1", port: 0).address!
                #expect(served(by: address.port, clients: 40) == 40)
            }
        }

        @Test("a worker that attaches later has its share of the clients", arguments: testedDrivers)
        func later(driver: Driver) async throws {
            let port = try twoWorkers(driver)
            let first = try port.listen(host: "127.0.0.1", port: 0).address!
            try await withEcho(on: port) { opened in
                #expect(served(by: first.port, clients: 20) == 20)
                let second = try port.listen(host: "127.0.0.1", port: 0).address!
                let worker = try port.attachWorker()
                #expect(worker.index == 1)
                for address in [first, second] {
                    let before = opened.withLock { $0 }
                    let peers = try (0..<40).map { _ in try Peer.connect(port: address.port) }
                    var batch = CompletionBatch()
                    var mine = 0
                    while mine + opened.withLock({ $0 }) - before < peers.count {
                        for index in 0..<(try worker.wait(into: &batch, timeout: .milliseconds(1))) {
                            if case .opened = batch[index].event { mine += 1 }
                        }
                    }
                    #expect(mine > 0 && mine < peers.count, "of both addresses it has a share, and not all")
                }
                _ = consume worker
                #expect(served(by: first.port, clients: 20) == 20)
            }
        }

        @Test("clients that come when a worker has just gone reach the other one", arguments: testedDrivers)
        func gone(driver: Driver) async throws {
            for _ in 0..<5 {
                let port = try twoWorkers(driver)
                let address = try port.listen(host: "127.0.0.1", port: 0).address!
                try await withEcho(on: port) { _ in
                    let worker = try port.attachWorker()
                    var batch = CompletionBatch()
                    _ = try worker.wait(into: &batch, timeout: .zero)  // an accept waits in its ring
                    _ = consume worker
                    #expect(served(by: address.port, clients: 40) == 40)
                }
            }
        }

        @Test("a worker that attaches after listening ended has no share in it", arguments: testedDrivers)
        func afterListeningEnded(driver: Driver) async throws {
            let port = try twoWorkers(driver)
            let ended = try port.listen(host: "127.0.0.1", port: 0).address!
            try await withEcho(on: port) { _ in
                port.stopListening()
                while !Peer.isRefused(by: ended.port) { usleep(1000) }
                let worker = try port.attachWorker()
                #expect(Peer.isRefused(by: ended.port))
                _ = consume worker
            }
        }

        @Test("once every worker has left, nobody can listen", arguments: testedDrivers)
        func afterAllLeft(driver: Driver) async throws {
            let port = try twoWorkers(driver, workers: 1)
            try await onThreads(1) { _ in
                let worker = try port.attachWorker()
                var batch = CompletionBatch()
                worker.leave()
                while (try? worker.wait(into: &batch)) != nil {}
                _ = consume worker
            }
            let error = refusal { () throws(IOCPError) in try port.listen(host: "127.0.0.1", port: 0) }
            #expect(error?.name == "ESHUTDOWN" && error?.operation == .listen)
        }

        @Test("listening before the first attach keeps the address, and clients are refused", arguments: testedDrivers)
        func keepsAddress(driver: Driver) async throws {
            let port = try twoWorkers(driver)
            let address = try port.listen(host: "127.0.0.1", port: 0).address!
            #expect(Peer.isRefused(by: address.port))
            let other = try twoWorkers(driver)
            for _ in 0..<2 {
                let error = refusal { () throws(IOCPError) in try other.listen(host: "127.0.0.1", port: address.port) }
                #expect(error?.name == "EADDRINUSE" && error?.operation == .listen)
            }
            try await onThreads(1) { _ in
                do {
                    let worker = try port.attachWorker()
                    #expect(!Peer.isRefused(by: address.port))
                    _ = consume worker
                }
                #expect(Peer.isRefused(by: address.port), "it took its sockets along")
                let error = refusal { () throws(IOCPError) in try other.listen(host: "127.0.0.1", port: address.port) }
                #expect(error?.name == "EADDRINUSE", "the second worker may still come")
            }
            try await withEcho(on: port) { _ in #expect(served(by: address.port, clients: 10) == 10) }
        }

        @Test("a stop gives up the address of a port without workers", arguments: testedDrivers)
        func stopped(driver: Driver) throws {
            let port = try twoWorkers(driver)
            let address = try port.listen(host: "127.0.0.1", port: 0).address!
            port.stop()
            #expect(try twoWorkers(driver).listen(host: "127.0.0.1", port: address.port).address! == address)
            #expect(refusal { () throws(IOCPError) in try port.listen(host: "127.0.0.1", port: 0) }?.name == "ESHUTDOWN")
        }

        @Test("a post to a worker that is not open is refused by name", arguments: testedDrivers)
        func posts(driver: Driver) async throws {
            let port = try twoWorkers(driver)
            let error = refusal { () throws(IOCPError) in try port.post(1, toWorker: 0) }
            #expect(error?.name == "ENXIO" && error?.remedy != nil)
            try await onThreads(1) { _ in
                let worker = try port.attachWorker()
                try port.post(2, toWorker: 0)
                #expect(refusal { () throws(IOCPError) in try port.post(3, toWorker: 1) }?.name == "ENXIO")
                var batch = CompletionBatch()
                #expect(try worker.wait(into: &batch, timeout: .seconds(5)) == 1)
                #expect(batch[0].event == .posted && batch[0].key == 2, "what was refused does not come after all")
                port.stop()
                #expect(refusal { () throws(IOCPError) in try port.post(4, toWorker: 1) }?.name == "ESHUTDOWN")
                _ = consume worker
                #expect(refusal { () throws(IOCPError) in try port.post(5, toWorker: 0) }?.name == "ESHUTDOWN")
            }
        }

        @Test("an attach that cannot join is refused, holds nothing and may be tried again", arguments: testedDrivers)
        func refusedJoin(driver: Driver) throws {
            let (port, listeningPort) = try FaultyWorker.createPort(driver) { $0.worker_count = 2 }
            defer { iocp_port_destroy(port) }
            var failure = iocp_failure()
            var worker: OpaquePointer?
            var address = FaultyWorker.loopback(port: 0), bound = iocp_address()
            #expect(iocp_port_listen(port, &address, &bound, &failure) == 0)
            let before = openDescriptors()
            let faults: [(internals_fault_point, UInt32)] = [
                (INTERNALS_FAULT_SOCKET, 0), (INTERNALS_FAULT_BIND, 1), (INTERNALS_FAULT_LISTEN, 0),
                (INTERNALS_FAULT_LISTEN, 1),
            ]
            for (point, passing) in faults {
                internals_fault_arm(point, ENOBUFS, passing, 1)
                internals_faults_inside(true)
                let result = internals_port_attach(port, &worker, &failure)
                internals_faults_inside(false)
                internals_faults_end()
                #expect(result == -ENOBUFS && failure.stage == IOCP_STAGE_LISTEN && worker == nil)
                #expect(openDescriptors() == before)
                #expect(iocp_port_post(port, 0, 0, 1) == -ENXIO)
                #expect(Peer.isRefused(by: listeningPort))
            }
            #expect(internals_port_attach(port, &worker, &failure) == 0)
            #expect(iocp_worker_index(worker) == 0 && !Peer.isRefused(by: listeningPort))
            iocp_worker_close(worker)
        }

        @Test("listening, attaching, leaving and stopping meet in any order", arguments: testedDrivers)
        func anyOrder(driver: Driver) async throws {
            let before = openDescriptors()
            for round in 0..<30 {
                let port = try twoWorkers(driver, workers: 3)
                try await onThreads(5) { thread in
                    switch thread {
                    case 0, 1:
                        for _ in 0..<8 {
                            guard let address = try? port.listen(host: "127.0.0.1", port: 0).address! else { return }
                            _ = Peer.isRefused(by: address.port)
                        }
                    case 2:
                        for _ in 0..<(round * 10) { sched_yield() }
                        port.stop()
                    default:
                        guard let worker = try? port.attachWorker() else { return }
                        var batch = CompletionBatch()
                        for turn in 0... {
                            if turn == round { worker.leave() }
                            guard (try? worker.wait(into: &batch)) != nil else { break }
                        }
                        #expect(worker.holdings.isEmpty)
                    }
                }
            }
            #expect(openDescriptors() <= before)
        }
    }
}

private func twoWorkers(_ driver: Driver, workers: Int = 2) throws(IOCPError) -> CompletionPort {
    var configuration = PortConfiguration()
    configuration.driver = driver
    configuration.workers = workers
    configuration.connectionsPerWorker = 256
    configuration.lingerTimeout = .milliseconds(500)
    return try CompletionPort(configuration)
}

/// How many of the clients, all connected at once, have their bytes back within 5 s.
private func served(by port: Int, clients: Int) -> Int {
    let peers = (0..<clients).compactMap { _ in try? Peer.connect(port: port) }
    for peer in peers { try? peer.send([1, 2, 3]) }
    let end = ContinuousClock.now + .seconds(5)
    return peers.count { $0.answers(within: max(.zero, end - .now)) && (try? $0.receive(3)) == [1, 2, 3] }
}

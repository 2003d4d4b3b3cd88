import Glibc
import IOCP
import Testing

extension RealSockets {
    @Suite struct RawStyle {
        @Test("a thread of the user's joins the port, dequeues batches and decides itself", arguments: testedDrivers)
        func echo(driver: Driver) async throws {
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.workers = 1
            configuration.workerPlacement = .unbound
            let port = try CompletionPort(configuration)
            let address = try port.listen(host: "127.0.0.1", port: 0).address!
            let attached = Locked(false)
            try await onThreads(2) { thread in
                if thread == 0 {
                    try serve(port) { attached.withLock { $0 = true } }
                } else {
                    while !attached.withLock({ $0 }) { usleep(1000) }  // before, clients are refused
                    defer { port.stop(drainingFor: .seconds(1)) }
                    for size in [1, 1000, 200_000] {
                        let peer = try Peer.connect(port: address.port)
                        try peer.send(pattern(size))
                        #expect(try peer.receive(size) == pattern(size))
                    }
                    try port.post(42, toWorker: 0)
                }
            }
        }

        @Test("leases left in a batch go back by themselves", arguments: testedDrivers)
        func untakenLeases(driver: Driver) async throws {
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.workers = 1
            configuration.workerPlacement = .unbound
            let port = try CompletionPort(configuration)
            let address = try port.listen(host: "127.0.0.1", port: 0).address!
            try await onThreads(1) { _ in
                let worker = try port.attachWorker()
                var batch = CompletionBatch(capacity: 16)
                let peer = try Peer.connect(port: address.port)
                try peer.send(pattern(100))
                var received = 0
                while received < 100 {
                    for index in 0..<(try worker.wait(into: &batch, timeout: .seconds(5))) {
                        if case .received(let count) = batch[index].event { received += count }
                    }
                }
                #expect(worker.holdings.leases == 1)
                #expect(try worker.wait(into: &batch, timeout: .zero) == 0)
                #expect(worker.holdings.leases == 0)
            }
        }
    }
}

/// The raw loop: wait, look at each completion, act.
private func serve(_ port: CompletionPort, attached: () -> Void) throws {
    let worker = try port.attachWorker()
    attached()
    var batch = CompletionBatch()
    var contexts: [Connection: [UInt8]] = [:]
    var posts: [UInt64] = []
    do throws(IOCPError) {
        while true {
            let count = try worker.wait(into: &batch)
            for index in 0..<count {
                let completion = batch[index]
                switch completion.event {
                case .opened:
                    contexts[completion.connection!] = []
                case .received:
                    if let bytes = batch.takeBytes(at: index) { try worker.send(bytes, to: completion.connection!) }
                    let taken = batch.takeBytes(at: index) == nil
                    #expect(taken)
                case .closed:
                    contexts[completion.connection!] = nil
                case .posted:
                    posts.append(completion.key)
                default:
                    break
                }
            }
        }
    } catch {
        #expect(error.name == "ECANCELED")
    }
    #expect(contexts.isEmpty)
    #expect(posts == [42])
    #expect(worker.holdings.isEmpty)
}

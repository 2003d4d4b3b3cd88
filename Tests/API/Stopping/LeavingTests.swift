import Glibc
import IOCP
import Testing

extension RealSockets {
    /// A thread of the user's that leaves the port while another goes on.
    @Suite struct Leaving {
        @Test("it drains its own, and the port goes on without it", arguments: testedDrivers)
        func drained(driver: Driver) async throws {
            try await withTwoThreads(driver) { port, address, stayed in
                let mine = threadIdentity()
                let worker = try port.attachWorker()
                #expect(threadIdentity() != mine)
                #expect(worker.index == 1)
                let peers = try (0..<40).map { _ in try Peer.connect(port: address.port) }
                var batch = CompletionBatch()
                var open = 0
                // The kernel spreads the clients over both workers; the other's are announced there.
                while open + stayed.withLock({ $0 }) < peers.count {
                    for index in 0..<(try worker.wait(into: &batch, timeout: .milliseconds(1))) {
                        if case .opened = batch[index].event { open += 1 }
                    }
                }
                #expect(open > 0)
                worker.leave(drainingFor: .seconds(5))
                var closed = 0
                for peer in peers { peer.finishSending() }
                while let count = try? worker.wait(into: &batch) {
                    for index in 0..<count {
                        if case .closed = batch[index].event { closed += 1 }
                    }
                }
                #expect(closed == open)
                #expect(worker.holdings.isEmpty)
                #expect(refusal { () throws(IOCPError) in try port.post(1, toWorker: 1) }?.name == "ESHUTDOWN")
                for peer in peers { #expect(peer.end() == .finished) }
                try echoed(by: address.port, clients: 40)
                // Listening begins without it as well.
                try echoed(by: port.listen(host: "127.0.0.1", port: 0).address!.port, clients: 20)
                _ = consume worker
                #expect(threadIdentity() == mine)
            }
        }

        @Test("it just goes: its peers are reset, and later clients reach the other", arguments: testedDrivers)
        func abrupt(driver: Driver) async throws {
            try await withTwoThreads(driver) { port, address, stayed in
                var peers: [Peer] = []
                do {
                    let worker = try port.attachWorker()
                    var batch = CompletionBatch()
                    while worker.holdings.connections == 0 {
                        peers.append(try Peer.connect(port: address.port))
                        _ = try worker.wait(into: &batch, timeout: .milliseconds(1))
                    }
                }
                #expect(Peer.anyAnswers(peers, within: .seconds(10)))
                try echoed(by: address.port, clients: 40)
            }
        }
    }
}

/// A port of two workers. One echoes on its own thread and counts what it opened; `body` runs on another.
private func withTwoThreads(
    _ driver: Driver, _ body: @escaping @Sendable (CompletionPort, SocketAddress, Locked<Int>) throws -> Void
) async throws {
    var configuration = PortConfiguration()
    configuration.driver = driver
    configuration.workers = 2
    configuration.lingerTimeout = .milliseconds(500)
    let port = try CompletionPort(configuration)
    try await withEcho(on: port) { opened in
        try body(port, try port.listen(host: "127.0.0.1", port: 0).address!, opened)
    }
}

private func echoed(by port: Int, clients: Int) throws {
    for number in 0..<clients {
        let peer = try Peer.connect(port: port)
        try peer.send(pattern(1000, seed: UInt64(number)))
        #expect(try peer.receive(1000) == pattern(1000, seed: UInt64(number)))
    }
}

/// What becoming a worker changes about the calling thread: its name and its CPUs.
private func threadIdentity() -> [String] {
    let status = (try? lines(of: "/proc/thread-self/status")) ?? []
    return status.filter { $0.hasPrefix("Name:") || $0.hasPrefix("Cpus_allowed:") }
}

private func lines(of path: String) throws -> [String] {
    let fd = open(path, O_RDONLY | O_CLOEXEC)
    try #require(fd >= 0)
    defer { close(fd) }
    var bytes = [UInt8](repeating: 0, count: 8192)
    let count = read(fd, &bytes, bytes.count)
    return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: "\n").map(String.init)
}

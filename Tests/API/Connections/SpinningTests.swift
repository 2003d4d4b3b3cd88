import Glibc
import IOCP
import Testing

extension RealSockets {
    /// A worker that looks before it sleeps, or polls the card's queue.
    @Suite struct Spinning {
        @Test("it serves and takes posts while it spins, and sleeps once it is at rest", arguments: testedDrivers)
        func serves(driver: Driver) async throws {
            let posts = Arrivals()
            var behaviour = Behaviour()
            behaviour.posted = { value, _, _ throws(IOCPError) in posts.append(value) }
            try await withServer(
                driver,
                {
                    $0.workers = 1
                    $0.spinBeforeSleep = .milliseconds(10)
                }, behaviour
            ) { server, port, _ in
                let peer = try Peer.connect(port: port)
                let message = pattern(1000)
                for _ in 0..<200 {
                    try peer.send(message)
                    #expect(try peer.receive(message.count) == message)
                }
                for value in 0..<200 as Range<UInt64> {
                    try server.port.post(value, toWorker: 0)
                    if value % 2 == 0 { try await eventually("post") { posts.count > value } }
                }
                try await eventually("all posts") { posts.count == 200 }
                #expect(posts.values == Array(0..<200))
                try await eventually("asleep") { server.port.stats(ofWorker: 0).isAsleep }
            }
        }

        @Test("a stop ends it in the midst of a spin", arguments: testedDrivers)
        func stops(driver: Driver) async throws {
            for _ in 0..<20 {
                try await withServer(driver, { $0.spinBeforeSleep = .milliseconds(10) }) { _, port, _ in
                    let peer = try Peer.connect(port: port)
                    try peer.send([1])
                    #expect(try peer.receive(1) == [1])
                }
            }
        }

        @Test(
            "busy polling serves as well", .enabled(if: kernelPollsQueues, "needs Linux 6.9 or later"),
            arguments: testedDrivers)
        func busyPoll(driver: Driver) async throws {
            try await withServer(
                driver,
                {
                    $0.busyPoll = .microseconds(50)
                    $0.lockdown = driver == .uring
                }
            ) { _, port, _ in
                let peer = try Peer.connect(port: port)
                let message = pattern(100_000)
                try peer.send(message)
                #expect(try peer.receive(message.count) == message)
            }
        }

        /// Whether a port opens with busy polling here.
        private static let kernelPollsQueues: Bool = {
            var configuration = PortConfiguration()
            configuration.workers = 1
            configuration.busyPoll = .microseconds(1)
            guard let port = try? CompletionPort(configuration), let worker = try? port.attachWorker() else {
                return false
            }
            withExtendedLifetime(worker) {}
            return true
        }()
    }
}

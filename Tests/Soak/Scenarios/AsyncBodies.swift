#if Command
import ArgumentParser
import IOCP
import SoakSystem
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

struct AsyncBodies: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "async-bodies",
        abstract: "Bodies stay on their worker's thread, leave others their turn, and end with a stop (G7, G8).",
        discussion: """
            The server is in this process, on the first allowed CPU, and its peers on the last. A million messages are \
            echoed by bodies, each of which compares its thread; then one connection echoes beside bodies that yield for \
            ever; then the server stops, with a thousand bodies that wait.
            """)

    @OptionGroup var options: ScenarioOptions
    @Option(help: "Messages that are echoed.") var messages = 1_000_000
    @Option(help: "Bodies that yield for ever.") var yielding = 10
    @Option(help: "Milliseconds that 99 % of the echoes beside them may take.") var most = 1.0
    @Option(help: "Bodies that wait when the server stops.") var waiting = 1_000
    @Option(help: "Milliseconds until they have ended.") var mostAtStop = 100.0

    private final class Counts: Sendable {
        let strays = Atomic(0)
        let ended = Atomic(0)
    }

    /// The first byte of a connection whose body yields for ever.
    private static let yields = UInt8(ascii: "y")

    func run() throws {
        var verdict = Verdict("async-bodies \(options.driver)")
        var configuration = PortConfiguration()
        configuration.driver = options.driver
        configuration.workers = 1
        let counts = Counts()
        let server = try IOCPServer(configuration) { worker, connection in
            let home = pthread_self()
            defer { counts.ended.add(1, ordering: .relaxed) }
            var isFirst = true
            while let bytes = try await connection.next() {
                if pthread_equal(pthread_self(), home) == 0 { counts.strays.add(1, ordering: .relaxed) }
                if isFirst && bytes.withBytes({ $0.byte(at: 0) }) == AsyncBodies.yields {
                    while !Task.isCancelled { await Task.yield() }
                    return
                }
                isFirst = false
                try await connection.send(bytes)
            }
        }
        let port = try server.listen(host: "127.0.0.1", port: 0).address!.port
        guard soak_pin_thread(1) == 0 else { throw Failure("no thread can be bound to a CPU") }
        try echo(port, counts, &verdict)
        try yieldBeside(port, &verdict)
        try stop(server, port, counts, &verdict)
        try verdict.report()
    }

    private func echo(_ port: Int, _ counts: Counts, _ verdict: inout Verdict) throws {
        let crowd = try Crowd(port: port, count: 100)
        var echoed = 0
        while echoed < messages { echoed += try crowd.run(for: .seconds(1), interval: .zero).count }
        let strays = counts.strays.load(ordering: .relaxed)
        verdict.require(strays == 0, "\(strays) resumptions were on another thread")
        verdict.require(crowd.lost == 0, "\(crowd.lost) connections were lost")
        verdict.add("\(echoed) messages, \(strays) resumptions on another thread")
    }

    private func yieldBeside(_ port: Int, _ verdict: inout Verdict) throws {
        let busy = try (0..<yielding).map { _ in try Peer(port: port) }
        for peer in busy { _ = [AsyncBodies.yields].withUnsafeBytes { peer.send($0) } }
        let crowd = try Crowd(port: port, count: 1)
        let latencies = try crowd.run(for: .seconds(5), interval: .milliseconds(1)).sorted()
        let p99 = Double(latencies[latencies.count * 99 / 100]) / 1e6
        verdict.require(p99 <= most, "an echo beside \(yielding) bodies that yield takes more than \(most) ms")
        verdict.add("p99 beside \(yielding) bodies that yield \(p99.rounded(to: 3)) ms of \(latencies.count)")
        for peer in busy { try peer.resetsOnClose() }
    }

    private func stop(
        _ server: IOCPServer<BodyHandler>, _ port: Int, _ counts: Counts, _ verdict: inout Verdict
    ) throws {
        let idle = try (0..<waiting).map { try Peer(port: port, number: $0) }
        let before = counts.ended.load(ordering: .relaxed)
        guard wait(within: .seconds(10), until: { server.port.stats(ofWorker: 0).connections >= waiting }) != nil else {
            throw Failure("\(server.port.stats(ofWorker: 0).connections) of \(waiting) connections were accepted")
        }
        let start = ContinuousClock.now
        server.stop()
        try server.wait()
        let took = (ContinuousClock.now - start).seconds * 1e3
        let ended = counts.ended.load(ordering: .relaxed) - before
        verdict.require(ended >= waiting, "\(ended) of \(waiting) bodies ended")
        verdict.require(took <= mostAtStop, "the stop takes more than \(mostAtStop) ms")
        verdict.add("\(idle.count) bodies that wait end within \(took.rounded(to: 1)) ms of a stop")
    }
}
#endif

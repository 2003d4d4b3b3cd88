#if Command
import ArgumentParser
import IOCP
import SoakSystem

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

struct StalledReaders: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Peers that ask for much and never read do not slow down the others (G6).",
        discussion: """
            Live connections echo, alone and beside stalled ones, in turn; the medians of the rounds' p99 are \
            compared. A third of the stalled ones ask for a flood, a third for a broadcast, a third send to an echo. \
            Where the server has no memory for what these send, it may close them. Stalled connections together hold at \
            most three quarters of the unsent bytes that the server may have: once they do, it closes those that made \
            no progress for longest, and no live one.

            The server has the first allowed CPU, the load the last. Where others use them too, the scheduler \
            is measured instead: chrt --fifo 5 iocp-soak stalled-readers.
            """)

    @OptionGroup var options: ScenarioOptions
    @Option(help: "Live echo connections.") var live = 500
    @Option(help: "Connections that never read.") var stalled = 2_000
    @Option(help: "Rounds, each once alone and once beside the stalled.") var rounds = 5
    @Option(help: "Seconds of each measurement.") var seconds = 4.0
    @Option(help: "Milliseconds between an answer and the next message of a connection.") var interval = 25.0
    @Option(help: "MiB of unsent bytes the server may have.") var unsentCap = 256
    @Option(help: "How many times the baseline the p99 may be.") var factor = 2.0

    /// What the server may take beside its receive buffers and send chunks: slots, queue nodes, the contexts.
    private static let tablesBytes = 16 << 20

    private struct Peaks {
        var unsentBytes = 0
        var residentBytes = 0
    }

    func run() throws {
        let (chunks, buffers, bufferBytes) = (4096, 256, 64 << 10)
        let server = try ServerProcess(
            options.driver,
            [
                "unsent-cap": unsentCap << 20, "send-cap": 1 << 20, "high-watermark": 256 << 10,
                "send-chunks": chunks, "receive-buffers": buffers, "receive-buffer-bytes": bufferBytes,
            ])
        // Now that the server, which inherits the CPUs allowed here, has bound its worker to the first of them.
        guard soak_pin_thread(1) == 0 else { throw Failure("no thread can be bound to a CPU") }
        let idle = try server.openDescriptors()
        let idleBytes = try server.residentBytes()
        let cap = idleBytes + chunks * (16 << 10) + buffers * bufferBytes + StalledReaders.tablesBytes
        var peaks = Peaks()
        var verdict = Verdict("stalled-readers \(options.driver)")
        var (alone, beside): ([Double], [Double]) = ([], [])
        var kept = stalled
        do {
            let crowd = try Crowd(port: server.port, count: live)
            guard try crowd.ask(within: .seconds(10)) != nil else { throw Failure("the live connections get no echo") }
            for _ in 0..<rounds {
                alone.append(try measure(crowd, server, &peaks))
                try withStalled(server) {
                    beside.append(try measure(crowd, server, &peaks))
                    kept = min(kept, Int(server.counters.connections) - live)
                }
                guard wait(within: .seconds(10), until: { server.counters.connections == UInt64(live) }) != nil else {
                    throw Failure("\(server.counters.connections) connections instead of \(live) live ones")
                }
            }
            verdict.require(crowd.lost == 0, "\(crowd.lost) live connections were lost")
        }
        let (before, after) = (median(alone), median(beside))
        verdict.require(after <= factor * before, "p99 is more than \(factor) times the baseline")
        let heldAll = peaks.unsentBytes >= (unsentCap << 20) / 4 * 3 / 20 * 19
        verdict.require(
            kept >= stalled - stalled / 3 || heldAll,
            "\(stalled - kept) stalled were closed: more than sent to an echo, and the others hold less than they may")
        verdict.require(peaks.unsentBytes <= unsentCap << 20, "unsent bytes over the cap")
        verdict.require(peaks.residentBytes <= cap, "resident memory over \(mebibytes(cap))")
        let refused = server.counters.refusedSends
        try verdict.requireNothingHeld(by: server, descriptors: idle)
        verdict.add(
            "\(live) live p99 \(Int(before)) µs alone, \(Int(after)) µs beside \(stalled) stalled (\(kept) kept)")
        verdict.add("ratio \((after / before).rounded(to: 2))")
        verdict.add("rounds \(alone.map { Int($0) }) and \(beside.map { Int($0) }) µs")
        verdict.add("unsent at most \(mebibytes(peaks.unsentBytes)) of \(unsentCap) MiB")
        verdict.add("resident at most \(mebibytes(peaks.residentBytes)) of \(mebibytes(cap))")
        verdict.add("\(refused) sends refused")
        try verdict.report()
    }

    /// The live connections' p99 in µs, in slices between which the server is looked at.
    private func measure(_ crowd: Crowd, _ server: ServerProcess, _ peaks: inout Peaks) throws -> Double {
        let slices = 20
        var latencies: [UInt64] = []
        for _ in 0..<slices {
            latencies += try crowd.run(for: .seconds(seconds / Double(slices)), interval: .milliseconds(interval))
            peaks.unsentBytes = max(peaks.unsentBytes, Int(server.counters.unsentBytes))
            peaks.residentBytes = max(peaks.residentBytes, try server.residentBytes())
        }
        latencies.sort()
        guard latencies.count >= 1000 else { throw Failure("only \(latencies.count) echoes: measure longer") }
        return Double(latencies[latencies.count * 99 / 100]) / 1000
    }

    /// Runs `body` beside connections that never read; they are gone when it returns.
    private func withStalled(_ server: ServerProcess, _ body: () throws -> Void) throws {
        let wishes: [Wish] = [.flood, .subscribe, .echo]
        let peers = try (0..<stalled).map { index in
            let peer = try Peer(port: server.port, receiveBufferBytes: 4096)
            let wish = wishes[index % wishes.count]
            var message = [UInt8](Pattern.bytes(at: 0, count: wish == .echo ? 1 << 20 : 1))
            message[0] = wish.rawValue
            // What the connection takes at once; of an echo, it takes until the server stops reading.
            guard case .bytes = message.withUnsafeBytes({ peer.send($0) }) else { throw Failure.system("send") }
            try peer.resetsOnClose()
            return peer
        }
        try StalledReaders.awaitStandstill(server)
        try body()
        withExtendedLifetime(peers) {}  // or they would be closed before they were measured
    }

    /// Waits until the server has sent and received what the stalled take: they stand beside the live ones then. A
    /// trickle goes on for seconds, since TCP asks a full peer again and again.
    private static func awaitStandstill(_ server: ServerProcess) throws {
        let trickleBytes: UInt64 = 256 << 10
        func moved() -> UInt64 { server.counters.sentBytes + server.counters.receivedBytes }
        for _ in 0..<100 {
            let before = moved()
            usleep(100_000)
            // A send that is counted before its end, and was short, is taken back: the sum may fall.
            if moved() < before + trickleBytes { return }
        }
        throw Failure("the stalled connections do not come to a standstill")
    }
}
#endif

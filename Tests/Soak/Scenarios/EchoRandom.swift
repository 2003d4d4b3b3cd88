#if Command
import ArgumentParser
import Synchronization

struct EchoRandom: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Every byte comes back, through odd chunks, resets, slow readers and half-closes (G2, G3, G9).")

    @OptionGroup var options: ScenarioOptions
    @Option(help: "MiB to echo.") var mebibytes = 10_240
    @Option(help: "Peers at a time.") var peers = 24
    @Option(help: "Workers of the server.") var workers = 2

    private struct Tally: Sendable {
        var connections: [EchoSession.Kind: Int] = [:]
        var mismatches: [String] = []
    }

    func run() throws {
        let seed = options.seed ?? .random(in: 1...1_000_000_000)
        let server = try ServerProcess(options.driver, workers: workers)
        let (port, target) = (server.port, mebibytes << 20)
        let idle = try server.openDescriptors()
        let verified = Atomic(0)
        let start = ContinuousClock.now
        let tallies = try onThreads(peers) { index in
            try EchoRandom.play(port: port, until: target, verified, Randomness(seed: seed &+ UInt64(index) << 32))
        }
        let took = ContinuousClock.now - start
        let bytes = verified.load(ordering: .relaxed)

        var verdict = Verdict("echo-random \(options.driver)")
        let mismatches = tallies.flatMap(\.mismatches)
        verdict.require(mismatches.isEmpty, "mismatches: \(mismatches.prefix(3))")
        verdict.require(bytes >= target, "only \(bytes) bytes")
        try verdict.requireNothingHeld(by: server, descriptors: idle)
        func connections(_ kind: EchoSession.Kind) -> Int {
            tallies.compactMap { $0.connections[kind] }.reduce(0, +)
        }
        verdict.add("seed \(seed)")
        verdict.add("\((Double(bytes) / 1_073_741_824).rounded(to: 2)) GiB compared, \(mismatches.count) mismatches")
        verdict.add("\(EchoSession.Kind.allCases.map(connections).reduce(0, +)) connections")
        verdict.add(
            "\(connections(.resetting)) reset, \(connections(.slow)) slow, \(connections(.halfClosing)) half-closing")
        verdict.add("\(took.text), \((Double(bytes) / 1_048_576 / took.seconds).rounded(to: 0)) MiB/s each way")
        try verdict.report()
    }

    /// One session after another until enough was compared.
    private static func play(port: Int, until target: Int, _ verified: borrowing Atomic<Int>, _ random: Randomness)
        throws -> Tally
    {
        var random = random
        var tally = Tally()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 8)
        defer { buffer.deallocate() }
        while verified.load(ordering: .relaxed) < target, tally.mismatches.isEmpty {
            var session = EchoSession(&random)
            let outcome = try session.run(port: port, buffer)
            verified.add(outcome.verified, ordering: .relaxed)
            tally.connections[session.kind, default: 0] += 1
            if let mismatch = outcome.mismatch { tally.mismatches.append("\(session.kind): \(mismatch)") }
        }
        return tally
    }
}
#endif

#if Command
import ArgumentParser
import IOCP
import Synchronization

struct Migrations: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Connections move among workers under load, and every byte comes back (G2, G3, G8, G9).")

    @OptionGroup var options: ScenarioOptions
    @Option(help: "Moves to make.") var moves = 100_000
    @Option(help: "Peers at a time.") var peers = 24
    @Option(help: "Workers of the server.") var workers = 4
    @Option(help: "Of how many receives one is followed by a move, by chance.") var oneIn = 2

    private struct Tally: Sendable {
        var connections = 0
        var bytes = 0
        var mismatch: String?
    }

    func run() throws {
        let seed = options.seed ?? .random(in: 1...1_000_000_000)
        let server = try ServerProcess(options.driver, workers: workers, ["moves-one-in": oneIn])
        let (port, peers, moves) = (server.port, peers, moves)
        let idle = try server.openDescriptors()
        let isOver = Atomic(false)
        let start = ContinuousClock.now
        nonisolated(unsafe) let watched = server  // by one thread, until all are joined
        let tallies = try onThreads(peers + 1) { index in
            guard index < peers else { return unsafe Migrations.watch(watched, until: moves, isOver) }
            return try Migrations.play(port: port, isOver, Randomness(seed: seed &+ UInt64(index) << 32))
        }
        let took = ContinuousClock.now - start
        let counters = server.counters

        var verdict = Verdict("migrations \(options.driver)")
        let mismatches = tallies.compactMap(\.mismatch)
        verdict.require(mismatches.isEmpty, "mismatches: \(mismatches.prefix(3))")
        verdict.require(counters.migratedIn >= moves, "only \(counters.migratedIn) moves")
        verdict.require(
            counters.migratedIn == counters.migratedOut, "\(counters.migratedOut) left, \(counters.migratedIn) came")
        try verdict.requireNothingHeld(by: server, descriptors: idle)
        verdict.add("seed \(seed)")
        verdict.add("\(counters.migratedIn) moves among \(workers) workers, \(mismatches.count) mismatches")
        let bytes = Double(tallies.reduce(0) { $0 + $1.bytes })
        verdict.add("\((bytes / 1_073_741_824).rounded(to: 2)) GiB compared")
        verdict.add("\(tallies.reduce(0) { $0 + $1.connections }) connections")
        verdict.add("\(took.text), \((Double(counters.migratedIn) / took.seconds).rounded(to: 0)) moves/s")
        try verdict.report()
    }

    /// Ends the play once enough have moved, or hardly any do.
    private static func watch(_ server: ServerProcess, until moves: Int, _ isOver: borrowing Atomic<Bool>) -> Tally {
        _ = wait(within: .seconds(60 + moves / 200)) { server.counters.migratedIn >= moves }
        isOver.store(true, ordering: .relaxed)
        return Tally()
    }

    private static func play(port: Int, _ isOver: borrowing Atomic<Bool>, _ random: Randomness) throws -> Tally {
        var random = random
        var tally = Tally()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 8)
        defer { buffer.deallocate() }
        while !isOver.load(ordering: .relaxed), tally.mismatch == nil {
            var session = EchoSession(&random)
            let outcome = try session.run(port: port, buffer)
            tally.connections += 1
            tally.bytes += outcome.verified
            if let mismatch = outcome.mismatch { tally.mismatch = "\(session.kind): \(mismatch)" }
        }
        return tally
    }
}
#endif

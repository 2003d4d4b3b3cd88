#if Command
import ArgumentParser
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

struct ConnectReset: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Connects and resets, over and over; nothing may be left behind (G3, G4, G6, G7).")

    @OptionGroup var options: ScenarioOptions
    @Option(help: "Connections to make.") var cycles = 1_000_000
    @Option(help: "Threads that make them.") var threads = 4
    @Option(help: "Workers of the server.") var workers = 2

    /// What happens between the connect and the RST.
    private enum Moment: Int, CaseIterable {
        /// Nothing: mostly before the server accepted.
        case atOnce
        /// Bytes were sent, and may have been received.
        case afterSending
        /// The reply has arrived and is not read.
        case withUnread
        /// More was sent than both ends' buffers take, so that the server's sends are waiting.
        case inFlood
    }

    func run() throws {
        let seed = options.seed ?? .random(in: 1...1_000_000_000)
        let server = try ServerProcess(options.driver, workers: workers)
        let (port, cycles) = (server.port, cycles)
        let idle = try server.openDescriptors()
        let begun = Atomic(0)
        let start = ContinuousClock.now
        let tallies = try onThreads(threads) { index in
            var random = Randomness(seed: seed &+ UInt64(index) << 32)
            var tally = [Int](repeating: 0, count: Moment.allCases.count)
            while begun.add(1, ordering: .relaxed).oldValue < cycles {
                let moment = ConnectReset.moment(&random)
                try ConnectReset.cycle(port, moment, &random)
                tally[moment.rawValue] += 1
            }
            return tally
        }
        let took = ContinuousClock.now - start
        func count(_ moment: Moment) -> Int { tallies.map { $0[moment.rawValue] }.reduce(0, +) }

        var verdict = Verdict("connect-reset \(options.driver)")
        let made = Moment.allCases.map(count).reduce(0, +)
        verdict.require(made == cycles, "\(made) cycles")
        try verdict.requireNothingHeld(by: server, descriptors: idle)
        verdict.add("seed \(seed)")
        verdict.add(
            "\(made) cycles (\(count(.atOnce)) at once, \(count(.afterSending)) after sending, "
                + "\(count(.withUnread)) with unread bytes, \(count(.inFlood)) in a flood)")
        verdict.add("\(took.text), \(Int(Double(made) / took.seconds)) cycles/s")
        try verdict.report()
    }

    private static func moment(_ random: inout Randomness) -> Moment {
        switch Int.random(in: 0..<100, using: &random) {
        case ..<50: .atOnce
        case ..<75: .afterSending
        case ..<99: .withUnread
        default: .inFlood
        }
    }

    private static func cycle(_ port: Int, _ moment: Moment, _ random: inout Randomness) throws {
        let peer = try Peer(port: port)
        try peer.resetsOnClose()
        switch moment {
        case .atOnce:
            break
        case .afterSending, .withUnread:
            let count = random.spread(upTo: 4096)
            var message = [UInt8](Pattern.bytes(at: 0, count: count))
            message[0] = Wish.echo.rawValue
            guard message.withUnsafeBytes({ peer.send($0, waiting: true) }) == .bytes(count) else {
                throw Failure.system("send")
            }
            if moment == .withUnread, peer.poll(POLLIN, milliseconds: 30_000) == 0 {
                throw Failure("no echo for 30 s")
            }
        case .inFlood:
            let wish: [UInt8] = [Wish.flood.rawValue]
            guard wish.withUnsafeBytes({ peer.send($0, waiting: true) }) == .bytes(1) else {
                throw Failure.system("send")
            }
            if peer.poll(POLLIN, milliseconds: 30_000) == 0 { throw Failure("no flood for 30 s") }
        }
    }
}
#endif

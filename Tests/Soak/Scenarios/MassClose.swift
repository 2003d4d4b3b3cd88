#if Command
import ArgumentParser
import SoakSystem

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

struct MassClose: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mass-close",
        abstract: "When 18,000 connections close at once, no live connection waits for them (G6, G7).",
        discussion: """
            Live connections echo while all others end: by FIN, by RST, or closed by the server in one callback. The \
            server has the first allowed CPU, the load the last, and the load's own closes run beside its echoes. \
            Where others use the CPUs, the scheduler is measured instead: chrt --fifo 5 iocp-soak mass-close.
            """)

    @OptionGroup var options: ScenarioOptions
    @Option(help: "Connections that close at once.") var closing = 18_000
    @Option(help: "Live echo connections.") var live = 20
    @Option(help: "Milliseconds between an answer and the next message of a live connection.") var interval = 5.0
    @Option(help: "Milliseconds a live connection may wait.") var most = 50.0
    @Option(help: "Rounds of each kind; the median of their longest waits counts.") var rounds = 3

    private enum Kind: String, CaseIterable {
        case fin = "FIN"
        case rst = "RST"
        case server = "by the server"
    }

    func run() throws {
        var verdict = Verdict("mass-close \(options.driver)")
        let server = try ServerProcess(options.driver)
        guard soak_pin_thread(1) == 0 else { throw Failure("no thread can be bound to a CPU") }
        let idle = try server.openDescriptors()
        do {
            let crowd = try Crowd(port: server.port, count: live)
            guard try crowd.ask(within: .seconds(10)) != nil else { throw Failure("the live connections get no echo") }
            verdict.add("\(closing) close at once, \(live) live ones wait at most")
            for kind in Kind.allCases {
                let longest = try (0..<rounds).map { _ in try play(kind, crowd, server) }.sorted()
                verdict.require(
                    longest[longest.count / 2] <= most, "\(kind.rawValue): a live connection waits more than \(most) ms"
                )
                verdict.add("\(kind.rawValue) \(longest.map { $0.rounded(to: 1) }) ms")
            }
            verdict.require(crowd.lost == 0, "\(crowd.lost) live connections were lost")
        }
        try verdict.requireNothingHeld(by: server, descriptors: idle)
        try verdict.report()
    }

    /// The longest wait of a live connection, in ms, from the closes until the last of them is over.
    private func play(_ kind: Kind, _ crowd: Crowd, _ server: ServerProcess) throws -> Double {
        let fleet = try Fleet(port: server.port, count: closing)
        let (all, kept) = (UInt64(closing + live), UInt64(live))
        guard wait(within: .seconds(10), until: { server.counters.connections == all }) != nil else {
            throw Failure("\(server.counters.connections) of \(all) connections were accepted")
        }
        if kind == .server { try server.dismiss() }
        let closes = Job { try fleet.end(resetting: kind == .rst) }
        closes.start()
        var longest: UInt64 = 0
        let end = ContinuousClock.now + .seconds(20)
        repeat {
            guard ContinuousClock.now < end else { throw Failure("\(server.counters.connections) are left after 20 s") }
            let latencies = try crowd.run(for: .milliseconds(100), interval: .milliseconds(interval))
            longest = max(longest, latencies.max() ?? 0)
        } while server.counters.connections != kept
        closes.join()
        try closes.result?.get()
        return Double(longest) / 1e6
    }
}
#endif

#if Command
import ArgumentParser
import SoakSystem

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

struct ReconnectStorm: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reconnect-storm",
        abstract: "18,000 connections drop and return within seconds; the live ones hardly notice (G6).",
        discussion: """
            Live connections echo, alone and during a storm, in turn; the medians of the rounds' p99 are compared. The \
            server has the first allowed CPU, the load the last. Where others use them too, the scheduler is measured \
            instead: chrt --fifo 5 iocp-soak reconnect-storm.
            """)

    @OptionGroup var options: ScenarioOptions
    @Option(help: "Connections that drop and return.") var returning = 18_000
    @Option(help: "Live echo connections.") var live = 500
    @Option(help: "Milliseconds between an answer and the next message of a live connection.") var interval = 25.0
    @Option(help: "Seconds within which all return.") var seconds = 3.0
    @Option(help: "Rounds, each once alone and once in a storm.") var rounds = 5
    @Option(help: "How many times the baseline the p99 may be.") var factor = 2.0

    func run() throws {
        var verdict = Verdict("reconnect-storm \(options.driver)")
        let server = try ServerProcess(options.driver)
        guard soak_pin_thread(1) == 0 else { throw Failure("no thread can be bound to a CPU") }
        let idle = try server.openDescriptors()
        var (alone, during): ([Double], [Double]) = ([], [])
        do {
            let crowd = try Crowd(port: server.port, count: live)
            guard try crowd.ask(within: .seconds(10)) != nil else { throw Failure("the live connections get no echo") }
            let fleet = try Fleet(port: server.port, count: returning)
            let (port, seconds) = (server.port, seconds)
            for _ in 0..<rounds {
                alone.append(try p99(crowd))
                let storm = Job { try fleet.reconnect(port: port, within: .seconds(seconds)) }
                storm.start()
                during.append(try p99(crowd))
                storm.join()
                try storm.result?.get()
                guard
                    wait(within: .seconds(10), until: { server.counters.connections == UInt64(live + returning) })
                        != nil
                else { throw Failure("\(server.counters.connections) of \(live + returning) connections are back") }
            }
            verdict.require(crowd.lost == 0, "\(crowd.lost) live connections were lost")
            let unserved = try fleet.unserved(within: .seconds(10))
            verdict.require(unserved == 0, "\(unserved) that returned are not served")
        }
        let (before, after) = (median(alone), median(during))
        verdict.require(after <= factor * before, "p99 is more than \(factor) times the baseline")
        verdict.add(
            "\(live) live p99 \(Int(before)) µs alone, \(Int(after)) µs while \(returning) return in \(seconds) s")
        verdict.add("ratio \((after / before).rounded(to: 2))")
        verdict.add("rounds \(alone.map { Int($0) }) and \(during.map { Int($0) }) µs")
        try verdict.requireNothingHeld(by: server, descriptors: idle)
        try verdict.report()
    }

    /// The live connections' p99 in µs over the time of a storm.
    private func p99(_ crowd: Crowd) throws -> Double {
        let latencies = try crowd.run(for: .seconds(seconds), interval: .milliseconds(interval)).sorted()
        guard latencies.count >= 1000 else { throw Failure("only \(latencies.count) echoes: measure longer") }
        return Double(latencies[latencies.count * 99 / 100]) / 1000
    }
}
#endif

#if Command
import ArgumentParser

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

struct OverflowStorm: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "overflow-storm",
        abstract: "Thousands connect while the server stands still; it lives, and serves everybody (G3, G6).",
        discussion: """
            A handler stalls, or the whole process is stopped, until more completions are due than the queue holds. \
            Meanwhile clients connect, and the handler asks for the address of each, with and without a limit of \
            connections per address.
            """)

    @OptionGroup var options: ScenarioOptions
    @Option(help: "Clients that connect meanwhile.") var clients = 16_000
    @Option(parsing: .upToNextOption, help: "Sizes of the completion queue.") var queues = [64, 256, 4_096]
    @Option(help: "Seconds until each client must stand and be served.") var within = 30.0

    private enum Halt: CaseIterable {
        case handler, process
    }

    func run() throws {
        var failed = false
        for queue in queues {
            for halt in Halt.allCases {
                for limitsAddresses in [false, true] {
                    var verdict = Verdict("overflow-storm \(options.driver)")
                    verdict.add("queue \(queue), \(halt) halted, \(limitsAddresses ? "" : "no ")limit per address")
                    try play(&verdict, queue, halt, limitsAddresses)
                    do { try verdict.report() } catch { failed = true }
                }
            }
        }
        if failed { throw ExitCode.failure }
    }

    private func play(_ verdict: inout Verdict, _ queue: Int, _ halt: Halt, _ limitsAddresses: Bool) throws {
        let server = try ServerProcess(
            options.driver,
            ["queue-entries": queue, "asks-peer": 1, "per-address": limitsAddresses ? clients * 2 : 0])
        let idle = try server.openDescriptors()
        do {
            let first = try Crowd(port: server.port, count: 1, wish: .stall)
            if halt == .process { server.pause() } else { try first.send() }
            let peers = try (0..<clients).map { number in
                let peer = try Peer(port: server.port, number: number, waiting: false)
                try peer.resetsOnClose()
                return peer
            }
            if halt == .process {
                usleep(Wish.stallMicroseconds)
                server.resume()
                try first.send()
            }
            verdict.require(try first.awaitAnswers(within: .seconds(within)) != nil, "who stalled it is not answered")
            // A backlog that is full drops SYNs, which are sent again after 1, 3 and 7 s.
            let standing = try stand(peers)
            let crowd = try Crowd(standing)
            let served = try crowd.ask(within: .seconds(within))
            verdict.require(served != nil, "\(crowd.owed) clients are not served")
            let refused = Int(server.counters.refusedAddresses)
            let missing = clients - standing.count + crowd.lost
            verdict.require(missing <= refused, "\(missing) clients were lost, \(refused) refused")
            verdict.require(limitsAddresses || refused == 0, "\(refused) were refused without a limit")
            verdict.add("\(clients - missing) of \(clients) clients served")
            verdict.add("\(refused) refused")
            let report = try server.report()
            verdict.add("\(report["unasked"] ?? -1) without an address")
            verdict.add("\(server.counters.queueOverflows) overflows")
        }
        try verdict.requireNothingHeld(by: server, descriptors: idle)
    }

    /// Waits until every peer is connected. Returns those that are.
    private func stand(_ peers: [Peer]) throws -> [Peer] {
        let end = ContinuousClock.now + .seconds(within)
        return peers.filter { peer in
            let left = max(0, (end - ContinuousClock.now).seconds)
            return peer.poll(POLLOUT, milliseconds: Int32(left * 1000)) & POLLOUT != 0 && peer.error == 0
        }
    }
}
#endif

import Glibc
import IOCP
import Testing

/// Bodies on the simulated kernel, a seed at a time. IOCP_TEST_SEED plays one of them, IOCP_TEST_SEEDS so many, and with
/// IOCP_TEST_TRACE they tell what happens.
///
/// What it notices was tried by breaking the code by hand. Noticed: waits that begin behind the hop and not with the look; an end
/// of the input that wakes no reader; receiving that is not resumed, or a take that forgets the pause; a cancellation that ends no
/// wait; room that wakes no writer; an answer that wakes no flush; a timer that ends a wait early; the rest of a handed back
/// connection that goes past its new body; a task that is left waiting where its body handed the connection back. Not noticed: a
/// cancellation from another thread that comes late and ends the next wait of another task.
@Suite(.serialized) struct PlayedBodies {
    private static let seeds: ClosedRange<UInt64> = {
        let given = getenv("IOCP_TEST_SEED").flatMap { UInt64(String(cString: $0)) }
        if let given { return given...given }
        let count = getenv("IOCP_TEST_SEEDS").flatMap { UInt64(String(cString: $0)) }
        return 1...(count ?? 250)
    }()

    private static let traces = getenv("IOCP_TEST_TRACE") != nil

    @Test("whatever bodies do and whatever comes, every await ends and nothing is lost")
    func plays() {
        var violations: [String] = []
        var endings: [String: Int] = [:]
        var awaits = 0
        for seed in Self.seeds {
            let ledger = Play.run(seed: seed, traces: Self.traces)
            violations += ledger.violations
            awaits += ledger.awaits.begun
            endings.merge(ledger.endings, uniquingKeysWith: +)
        }
        print("\(Self.seeds.count) seeds, \(awaits) awaits")
        for violation in violations.prefix(20) { Issue.record("\(violation)") }
        #expect(violations.isEmpty)
    }

    @Test("a seed plays again")
    func again() {
        for seed in Self.seeds.prefix(10) {
            let first = Play.run(seed: seed, traces: Self.traces), second = Play.run(seed: seed, traces: Self.traces)
            #expect(first.digest == second.digest, "seed \(seed)")
        }
    }
}

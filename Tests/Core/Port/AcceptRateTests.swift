import CIOCPInternals
import Testing

/// `accepts_per_second` is the port's: what its workers accept together.
@Suite struct AcceptRateTests {
    struct Shares: CustomTestStringConvertible {
        let workers: UInt32
        let rate: UInt32
        var testDescription: String { "\(rate)/s over \(workers) workers" }
        /// As many at once after a pause: those of a second, or one of each worker.
        var burst: Int { Int(max(workers, rate)) }

        /// Every worker of a port, each with a listener.
        func open() -> [ScriptedWorker] {
            (0..<workers).map { index in
                let worker = ScriptedWorker(connections: 1024, index: index) {
                    $0.worker_count = workers
                    $0.accepts_per_second = rate
                    $0.listen_backlog = 1
                }
                #expect(internals_worker_listen(worker.script) == 0)
                return worker
            }
        }
    }

    static let all = [(4, 2), (4, 6), (3, 10), (1, 1), (16, 1), (2, 100)].map { Shares(workers: $0.0, rate: $0.1) }

    /// The accepts that a worker asked for since the last call.
    private func accepts(of worker: ScriptedWorker) -> [UInt64] {
        _ = worker.settle()
        return worker.requests().filter { $0.kind == INTERNALS_REQUEST_ACCEPT }.map(\.call.token)
    }

    @Test("workers keep the rate together, even if it is lower than their number", arguments: all)
    func together(shares: Shares) {
        let workers = shares.open()
        var handle: Int32 = 0
        var accepted = 0
        for _ in 0..<1000 {
            for worker in workers {
                for token in accepts(of: worker) {
                    handle += 1
                    accepted += 1
                    worker.report(token, handle)
                }
                worker.pass(10_000_000)
            }
        }
        let (rate, seconds) = (Int(shares.rate), 10)
        #expect(accepted <= rate * (seconds + 1), "the first second may have twice as many")
        #expect(accepted >= rate * seconds - max(Int(shares.workers), rate))
    }

    @Test("after a pause there are no more at once than a second has, or workers", arguments: all)
    func atOnce(shares: Shares) {
        let workers = shares.open()
        var handle: Int32 = 0
        var waiting = workers.map(accepts)
        for _ in 0..<60 {
            for (index, worker) in workers.enumerated() {
                worker.pass(1_000_000_000)
                waiting[index] += accepts(of: worker)
            }
        }
        #expect(waiting.allSatisfy { $0.count == 1 }, "each listener has one that is paid for")
        var accepted = 0
        while waiting.contains(where: { !$0.isEmpty }) {
            for (index, worker) in workers.enumerated() {
                for token in waiting[index] {
                    handle += 1
                    accepted += 1
                    worker.report(token, handle)
                }
                waiting[index] = accepts(of: worker)
            }
        }
        #expect(accepted <= shares.burst + Int(shares.workers))
        #expect(accepted > Int(shares.workers))
    }
}

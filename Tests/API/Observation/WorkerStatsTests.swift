import IOCP
import Testing

@Suite struct WorkerStatsTests {
    @Test func countersThatAnotherProcessMadeUpAreAdded() {
        var worker = WorkerStats()
        (worker.connections, worker.accepted, worker.timeouts) = (3, .max, .max)
        var total = worker
        total += worker
        #expect(total.connections == 6)
        #expect(total.accepted == .max - 1 && total.timeouts == .max - 1)
    }
}

import IOCP
import Testing

@Suite struct WorkerStatsTests {
    @Test func countersThatAnotherProcessMadeUpAreAdded() {
        var worker = WorkerStats()
        (worker[.connections], worker[.accepted], worker[.timeouts]) = (3, .max, .max)
        var total = worker
        total += worker
        #expect(total.connections == 6)
        #expect(total.accepted == .max - 1 && total.timeouts == .max - 1)
    }

    @Test func aPropertyIsTheFieldOfItsName() {
        var worker = WorkerStats()
        for (index, field) in WorkerStats.fields.enumerated() { worker[field] = UInt64(index) + 1 }
        for (index, field) in WorkerStats.fields.enumerated() { #expect(worker[field] == UInt64(index) + 1) }
        #expect(worker.connections == worker[.connections] && worker.receivedBytes == worker[.receivedBytes])
        #expect(worker.unsentBytes == worker[.unsentBytes] && worker.backlogLimit == worker[.backlogLimit])
        #expect(worker.heartbeat == .nanoseconds(Int64(worker[.heartbeat]!)) && worker.isAsleep)
    }

    @Test func whatNobodySaidIsAbsent() {
        var worker = WorkerStats()
        #expect(worker.core == nil && worker.node == 0)
        #expect(WorkerStats.fields.allSatisfy { worker[$0] == nil } && worker.accepted == 0)
        worker[.accepted] = 0
        #expect(worker[.accepted] == 0 && worker != WorkerStats())
        worker[.accepted] = 5
        worker[.accepted] = nil
        #expect(worker[.accepted] == nil && worker.accepted == 0 && worker == WorkerStats())
        #expect(Set([worker, WorkerStats()]).count == 1)
    }

    @Test func featuresAreNamedAndThoseOfAnotherBuildNumbered() {
        var worker = WorkerStats()
        #expect(worker.driverFeatures == [])
        worker[.features] = 0b101 | 1 << 63
        #expect(worker.driverFeatures.map(\.name) == ["multishot_accept", "direct_descriptors", "unknown_63"])
        #expect(worker.driverFeatures.last?.summary == "" && DriverFeature.all.first?.summary != "")
        worker[.features] = .max
        #expect(worker.driverFeatures.count == 64 && Array(worker.driverFeatures.prefix(DriverFeature.all.count)) == DriverFeature.all)
        #expect(WorkerStats.total(of: [worker]).driverFeatures == [])
    }

    @Test func aTotalIsMadeFieldByField() {
        var workers = [WorkerStats(), WorkerStats()]
        for field in WorkerStats.fields { (workers[0][field], workers[1][field]) = (3, 4) }
        for pair in [workers, workers.reversed()] {
            let total = WorkerStats.total(of: pair)
            for field in WorkerStats.fields {
                let due: UInt64? =
                    switch field.total {
                    case .sum: 7
                    case .newest: 4
                    case .absent: nil
                    }
                #expect(total[field] == due, "\(field.name)")
            }
            #expect(total[.asleep] == nil && total[.heartbeat] == 4 && total.core == nil)
        }
        #expect(WorkerStats.total(of: []) == WorkerStats())
    }

    @Test func aTotalHasWhatOneOfItsWorkersHas() {
        var one = WorkerStats()
        one[.accepted] = 2
        let total = WorkerStats.total(of: [one, WorkerStats()])
        #expect(total[.accepted] == 2 && total[.closed] == nil)
    }

    @Test func aHeartbeatOfAnotherProcessMayBeAnything() {
        var worker = WorkerStats()
        worker[.heartbeat] = .max
        #expect(worker.heartbeat == .nanoseconds(Int64.max) && worker.busy(at: .zero) == .zero)
    }
}

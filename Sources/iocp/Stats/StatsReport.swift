#if Command
import FoundationEssentials
import IOCP

/// The counters of one process, as text and as JSON.
struct StatsReport {
    private let processID: Int32
    private let driver: String
    private let workers: [WorkerStats]
    private let total: WorkerStats

    init(_ stats: borrowing PortStats) {
        processID = stats.processID
        driver = stats.driver
        var workers: [WorkerStats] = []
        var total = WorkerStats()
        for index in 0..<stats.workerCount {
            let worker = stats[index]
            workers.append(worker)
            total += worker
        }
        self.workers = workers
        self.total = total
    }

    /// Every counter, by its name in the JSON.
    private static var counters: [(name: String, path: KeyPath<WorkerStats, UInt64>)] {
        [
            ("connections", \.connections), ("accepted", \.accepted), ("connected", \.connected),
            ("closed", \.closed), ("received_bytes", \.receivedBytes), ("sent_bytes", \.sentBytes),
            ("received_operations", \.receivedOperations), ("sent_operations", \.sentOperations),
            ("completions", \.completions), ("enters", \.enters), ("posts", \.posts),
            ("unsent_bytes", \.unsentBytes),
        ] + troubles.map { (String($0.noun.map { $0 == " " ? "_" : $0 }), $0.path) }
    }

    /// What is zero on a good day, and named where it is not.
    private static var troubles: [(noun: String, path: KeyPath<WorkerStats, UInt64>)] {
        [
            ("starved receives", \.starvedReceives), ("short sends", \.shortSends), ("refused sends", \.refusedSends),
            ("accept failures", \.acceptFailures), ("delayed accepts", \.delayedAccepts),
            ("refused addresses", \.refusedAddresses), ("timeouts", \.timeouts),
            ("queue overflows", \.queueOverflows),
        ]
    }

    // MARK: Text

    private static let header = [
        "core", "node", "busy", "connections", "accepted", "closed", "received", "sent", "received ops", "sent ops",
        "completions", "enters",
    ]

    var lines: [String] {
        let now = MonotonicClock.nanoseconds()
        let rows =
            workers.map { worker in
                let busy = worker.isAsleep ? "-" : Figure.nanoseconds(StatsReport.busyNanoseconds(worker, at: now))
                return [worker.core.map(String.init) ?? "-", "\(worker.node)", busy] + StatsReport.cells(worker)
            } + [["total", "", ""] + StatsReport.cells(total)]
        let count = workers.count == 1 ? "1 worker" : "\(workers.count) workers"
        let troubles = StatsReport.troubles.filter { total[keyPath: $0.path] > 0 }
            .map { "\($0.noun) \(Figure.count(total[keyPath: $0.path]))" }
        return ["process \(processID), driver \(driver), \(count)"] + TextTable(StatsReport.header, rows).lines
            + (troubles.isEmpty ? [] : [troubles.joined(separator: ", ")])
    }

    private static func cells(_ stats: WorkerStats) -> [String] {
        [
            Figure.count(stats.connections), Figure.count(stats.accepted), Figure.count(stats.closed),
            Figure.bytes(stats.receivedBytes), Figure.bytes(stats.sentBytes),
            Figure.count(stats.receivedOperations), Figure.count(stats.sentOperations),
            Figure.count(stats.completions), Figure.count(stats.enters),
        ]
    }

    private static func busyNanoseconds(_ stats: WorkerStats, at now: UInt64) -> UInt64 {
        let (seconds, attoseconds) = stats.busy(at: .nanoseconds(Int64(clamping: now))).components
        return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }

    // MARK: JSON

    func json() throws -> String {
        let now = MonotonicClock.nanoseconds()
        return try JSONText.encode(
            Document(
                pid: processID, driver: driver,
                workers: workers.map { Worker(stats: $0, busy: StatsReport.busyNanoseconds($0, at: now)) },
                total: Counters(stats: total)))
    }

    private struct Document: Encodable {
        let pid: Int32
        let driver: String
        let workers: [Worker]
        let total: Counters
    }

    private struct Worker: Encodable {
        let stats: WorkerStats
        let busy: UInt64

        enum CodingKeys: String, CodingKey {
            case core, node, asleep
            case busy = "busy_ns"
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            // Not encodeIfPresent: a worker that is bound to no CPU has a null core, not a missing one.
            try container.encode(stats.core, forKey: .core)
            try container.encode(stats.node, forKey: .node)
            try container.encode(stats.isAsleep, forKey: .asleep)
            try container.encode(busy, forKey: .busy)
            try Counters(stats: stats).encode(to: encoder)
        }
    }

    private struct Counters: Encodable {
        let stats: WorkerStats

        private struct Name: CodingKey {
            let stringValue: String
            var intValue: Int? { nil }
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Name.self)
            for (name, path) in StatsReport.counters {
                try container.encode(stats[keyPath: path], forKey: Name(stringValue: name))
            }
        }
    }
}
#endif

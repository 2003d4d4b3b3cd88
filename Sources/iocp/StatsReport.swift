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

    // MARK: Text

    private static let header = [
        "core", "node", "connections", "accepted", "closed", "received", "sent", "received ops", "sent ops",
        "completions", "enters", "starved",
    ]

    var lines: [String] {
        let rows =
            workers.map { worker in
                [worker.core.map(String.init) ?? "-", "\(worker.node)"] + StatsReport.cells(worker)
            } + [["total", ""] + StatsReport.cells(total)]
        let count = workers.count == 1 ? "1 worker" : "\(workers.count) workers"
        return ["process \(processID), driver \(driver), \(count)"] + TextTable(StatsReport.header, rows).lines
    }

    private static func cells(_ stats: WorkerStats) -> [String] {
        [
            Figure.count(stats.connections), Figure.count(stats.accepted), Figure.count(stats.closed),
            Figure.bytes(stats.receivedBytes), Figure.bytes(stats.sentBytes),
            Figure.count(stats.receivedOperations), Figure.count(stats.sentOperations),
            Figure.count(stats.completions), Figure.count(stats.enters), Figure.count(stats.starvedReceives),
        ]
    }

    // MARK: JSON

    func json() throws -> String {
        try JSONText.encode(
            Document(pid: processID, driver: driver, workers: workers.map(Worker.init), total: Counters(total)))
    }

    private struct Document: Encodable {
        let pid: Int32
        let driver: String
        let workers: [Worker]
        let total: Counters
    }

    private struct Worker: Encodable {
        let stats: WorkerStats

        init(_ stats: WorkerStats) {
            self.stats = stats
        }

        enum CodingKeys: String, CodingKey { case core, node }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            // Not encodeIfPresent: a worker that is bound to no CPU has a null core, not a missing one.
            try container.encode(stats.core, forKey: .core)
            try container.encode(stats.node, forKey: .node)
            try Counters(stats).encode(to: encoder)
        }
    }

    private struct Counters: Encodable {
        let stats: WorkerStats

        init(_ stats: WorkerStats) {
            self.stats = stats
        }

        enum CodingKeys: String, CodingKey {
            case connections, accepted, closed, completions, enters
            case receivedBytes = "received_bytes"
            case sentBytes = "sent_bytes"
            case receivedOperations = "received_operations"
            case sentOperations = "sent_operations"
            case starvedReceives = "starved_receives"
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(stats.connections, forKey: .connections)
            try container.encode(stats.accepted, forKey: .accepted)
            try container.encode(stats.closed, forKey: .closed)
            try container.encode(stats.receivedBytes, forKey: .receivedBytes)
            try container.encode(stats.sentBytes, forKey: .sentBytes)
            try container.encode(stats.receivedOperations, forKey: .receivedOperations)
            try container.encode(stats.sentOperations, forKey: .sentOperations)
            try container.encode(stats.completions, forKey: .completions)
            try container.encode(stats.enters, forKey: .enters)
            try container.encode(stats.starvedReceives, forKey: .starvedReceives)
        }
    }
}

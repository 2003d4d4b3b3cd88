#if Command
import FoundationEssentials
import IOCP

/// The counters of one process, as text and as JSON.
struct StatsReport {
    let processID: Int32
    let driver: String
    private let fields: [StatsField]
    private let workers: [WorkerStats]
    let total: WorkerStats
    /// The application's own.
    private let ownCounts: [OwnCount]
    var workerCount: Int { workers.count }

    init(_ stats: borrowing PortStats) {
        processID = stats.processID
        driver = stats.driver
        fields = stats.fields
        var workers: [WorkerStats] = []
        for index in 0..<stats.workerCount { workers.append(stats[index]) }
        self.workers = workers
        total = WorkerStats.total(of: workers)
        ownCounts = stats.ownCounts
    }

    /// The fields of the table, from the left. The JSON has all.
    private static let columns: [StatsField] = [
        .connections, .accepted, .closed, .receivedBytes, .sentBytes, .receivedOperations, .sentOperations,
        .completions, .enters,
    ]

    /// What is zero on a good day, and named where it is not.
    static let troubles: [StatsField] = [
        .starvedReceives, .shortSends, .refusedSends, .acceptFailures, .delayedAccepts, .refusedAddresses, .timeouts,
        .queueOverflows, .handlerErrors, .refusedPosts, .refusedOffloads, .droppedClients,
    ]

    /// What troubles are sums of.
    private static let reasons: [StatsField: [StatsField]] = [
        .acceptFailures: [
            .acceptsOutOfDescriptors, .acceptsOutOfMemory, .acceptsOutOfSlots, .acceptsFailedOtherwise,
        ],
        .delayedAccepts: [.delaysByRate, .delaysByFullTable],
        .refusedAddresses: [.refusedOverAddressLimit, .refusedUnknownAddress, .refusedByStop],
        .refusedSends: [.sendsOverCap, .sendsOverWorkerCap, .sendsOutOfMemory, .sendsSqueezedOut],
    ]

    // MARK: Text

    private static let header = ["core", "node", "busy"] + columns.map(\.heading)

    var lines: [String] {
        let now = MonotonicClock.nanoseconds()
        let rows =
            workers.map { worker in
                let busy = worker.isAsleep ? nil : StatsReport.busyNanoseconds(worker, at: now)
                return [worker.core.map(String.init) ?? "-", "\(worker.node)", busy.map(Figure.nanoseconds) ?? "-"]
                    + StatsReport.cells(worker)
            } + [["total", "", ""] + StatsReport.cells(total)]
        let count = workers.count == 1 ? "1 worker" : "\(workers.count) workers"
        let troubles = StatsReport.troubles.compactMap { field in
            said(field).map { trouble in
                let reasons = (StatsReport.reasons[field] ?? []).compactMap(said)
                return trouble + (reasons.isEmpty ? "" : " (\(reasons.joined(separator: ", ")))")
            }
        }
        return ["process \(processID), driver \(driver), \(count)"] + TextTable(StatsReport.header, rows).lines
            + (troubles.isEmpty ? [] : [troubles.joined(separator: ", ")]) + waitingClients + longestTurn(at: now)
            + (StatsTime(since: workers, at: now).map { [$0.text] } ?? []) + histogramLines + balance + features
            + (ownCounts.isEmpty ? [] : [ownCounts.map { "\($0.name) \($0.value)" }.joined(separator: ", ")])
    }

    /// A counter that is not zero.
    private func said(_ field: StatsField) -> String? {
        total[field].flatMap { $0 > 0 ? "\(field.heading) \(field.text($0))" : nil }
    }

    /// Where some wait.
    private var waitingClients: [String] {
        guard let waiting = total[.waitingClients], waiting > 0, let limit = total[.backlogLimit] else { return [] }
        let clients = waiting == 1 ? "1 client waits" : "\(Figure.count(waiting)) clients wait"
        return ["\(clients) to be accepted, of \(Figure.count(limit)) that may"]
    }

    /// Where each worker's memory lies, what it has at the pool, and connections that came and went; without what no worker has.
    private var balance: [String] {
        let columns: [(heading: String, value: (WorkerStats) -> UInt64?, text: (UInt64) -> String)] = [
            ("memory", { $0[.memoryResidentBytes] }, StatsField.memoryResidentBytes.text),
            ("on its node", { $0[.memoryOnNodeBytes] }, StatsField.memoryOnNodeBytes.text),
            ("offloaded", { $0[.offloadDepth] }, StatsField.offloadDepth.text),
            ("handed over", { $0.movesIn + $0.movesOut }, Figure.count),
            ("moved in", { $0[.migratedIn] }, Figure.count), ("moved out", { $0[.migratedOut] }, Figure.count),
        ].filter { column in workers.contains { column.value($0) ?? 0 > 0 } }
        guard !columns.isEmpty else { return [] }
        let rows = workers.enumerated().map { index, worker in
            ["\(index)"] + columns.map { column in column.value(worker).map(column.text) ?? "-" }
        }
        return TextTable(["worker"] + columns.map(\.heading), rows).lines
    }

    /// A line for each set of features, of which there is mostly one.
    private var features: [String] {
        var lines: [(names: String, workers: [String])] = []
        for (index, worker) in workers.enumerated() where !worker.driverFeatures.isEmpty {
            let names = worker.driverFeatures.map { $0.name.replacing("_", with: " ") }.joined(separator: ", ")
            if let place = lines.firstIndex(where: { $0.names == names }) {
                lines[place].workers.append("\(index)")
            } else {
                lines.append((names, ["\(index)"]))
            }
        }
        if lines.count == 1 { return ["features: \(lines[0].names)"] }
        return lines.map { "features of \($0.workers.joined(separator: ", ")): \($0.names)" }
    }

    /// The longest that an application held a worker's thread, if that was a millisecond or more.
    private func longestTurn(at now: UInt64) -> [String] {
        let longest = workers.indices.max { workers[$0].longestTurn < workers[$1].longestTurn }
        guard let longest, let turn = workers[longest][.longestTurn], turn >= 1_000_000 else { return [] }
        let cause = workers[longest].longestTurnCause
        let place = cause == .unknown ? "" : " in \(cause.rawValue)"
        let ago = workers[longest][.longestTurnAt].map { now > $0 ? now - $0 : 0 } ?? 0
        return ["longest turn: \(Figure.nanoseconds(turn)) of worker \(longest)\(place), \(Figure.nanoseconds(ago)) ago"]
    }

    /// Of those that counted something, all workers together.
    private var histogramLines: [String] {
        let rows = total.histograms.compactMap { histogram -> [String]? in
            guard histogram.count > 0 else { return nil }
            func text(_ share: Double) -> String {
                guard let bound = histogram.percentile(share) else { return "more" }
                return histogram.unit == .nanoseconds ? Figure.nanoseconds(bound) : Figure.count(bound)
            }
            let name = histogram.name.split(separator: "_").filter { $0 != "ns" }.joined(separator: " ")
            return [name, Figure.count(histogram.count), text(0.5), text(0.99), text(0.999), text(1)]
        }
        return rows.isEmpty ? [] : TextTable(["at most", "count", "p50", "p99", "p99.9", "all"], rows).lines
    }

    private static func cells(_ stats: WorkerStats) -> [String] { columns.map { $0.text(stats[$0]) } }

    /// Nil where the page lacks what it takes to tell.
    private static func busyNanoseconds(_ stats: WorkerStats, at now: UInt64) -> UInt64? {
        guard stats[.heartbeat] != nil, stats[.asleep] != nil else { return nil }
        let (seconds, attoseconds) = stats.busy(at: .nanoseconds(Int64(clamping: now))).components
        return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }

    // MARK: JSON

    /// - Parameter command: the process' command name; nil leaves it out.
    func json(command: String? = nil) throws -> String {
        let now = MonotonicClock.nanoseconds()
        return try JSONText.encode(
            Document(
                pid: processID, command: command, driver: driver,
                workers: workers.map {
                    Worker(
                        stats: $0, busy: StatsReport.busyNanoseconds($0, at: now),
                        counters: Counters(stats: $0, fields: fields))
                },
                total: Counters(stats: total, fields: fields), histograms: total.histograms.map(Histogram.init),
                own: Dictionary(ownCounts.map { ($0.name, $0.value) }) { first, _ in first }))
    }

    /// Of all workers together. The buckets count 0, 1, 2 to 3, 4 to 7, and so on.
    private struct Histogram: Encodable {
        let name, unit: String
        let count, sum: UInt64
        let buckets: [UInt64]

        init(_ histogram: StatsHistogram) {
            (name, unit, sum) = (histogram.name, histogram.unit.rawValue, histogram.sum)
            (count, buckets) = (histogram.count, histogram.buckets)
        }
    }

    private struct Document: Encodable {
        let pid: Int32
        let command: String?
        let driver: String
        let workers: [Worker]
        let total: Counters
        let histograms: [Histogram]
        let own: [String: Int64]
    }

    private struct Worker: Encodable {
        let stats: WorkerStats
        let busy: UInt64?
        let counters: Counters

        enum CodingKeys: String, CodingKey {
            case core, node
            case busy = "busy_ns"
        }

        func encode(to encoder: any Encoder) throws {
            // First, so that a field of another build cannot take the place of what is said here.
            try counters.encode(to: encoder)
            var container = encoder.container(keyedBy: CodingKeys.self)
            // Not encodeIfPresent: a worker that is bound to no CPU has a null core, not a missing one.
            try container.encode(stats.core, forKey: .core)
            try container.encode(stats.node, forKey: .node)
            try container.encodeIfPresent(busy, forKey: .busy)
        }
    }

    /// Every field of the page under its name, but those that are absent: a total has none of some.
    private struct Counters: Encodable {
        let stats: WorkerStats
        let fields: [StatsField]

        private struct Name: CodingKey {
            let stringValue: String
            var intValue: Int? { nil }
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { nil }
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: Name.self)
            for field in fields {
                guard let value = stats[field] else { continue }
                let name = Name(stringValue: field.name)
                if field == .features {
                    try container.encode(stats.driverFeatures.map(\.name), forKey: name)
                } else if field.unit == .flag {
                    try container.encode(value != 0, forKey: name)
                } else {
                    try container.encode(value, forKey: name)
                }
            }
        }
    }
}
#endif

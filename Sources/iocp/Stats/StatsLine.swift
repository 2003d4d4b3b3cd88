#if Command
import FoundationEssentials
import IOCP

/// What happened in one interval, on all workers together, as a line of text and as JSON.
struct StatsLine: Encodable {
    private let rates: StatsRates
    private let processID: Int32
    private let driver: String
    private let state: ProcessWatch.State
    private let elapsed: UInt64
    private let stalled: [Int]
    private let shares: StatsTime?
    private let time = Date()

    init(
        from before: StatsReading, to now: StatsReading, _ processID: Int32, _ driver: String,
        _ state: ProcessWatch.State
    ) {
        elapsed = now.time - before.time
        rates = StatsRates(from: before.total, to: now.total, nanoseconds: elapsed)
        shares = StatsTime(from: before.total, to: now.total, workers: now.workers.count, nanoseconds: elapsed)
        stalled = now.workers.indices.filter { now.isStalled(now.workers[$0]) }
        (self.processID, self.driver, self.state) = (processID, driver, state)
    }

    // MARK: Text

    private static let columns = [
        ("connections", 11), ("accepted/s", 11), ("closed/s", 10), ("in/s", 11), ("out/s", 11), ("messages/s", 12),
        ("compl/enter", 11), ("unsent", 11),
    ]

    static let header = row(columns.map(\.0)) + "  trouble"

    private static func row(_ cells: [String]) -> String {
        zip(cells, columns).map { cell, column in
            String(repeating: " ", count: max(0, column.1 - cell.count)) + cell
        }.joined(separator: " ")
    }

    var text: String {
        let cells = [
            StatsField.connections.text(rates.now[.connections]),
            StatsField.accepted.text(rates.perSecond(.accepted)),
            StatsField.closed.text(rates.perSecond(.closed)),
            StatsField.receivedBytes.text(rates.perSecond(.receivedBytes)),
            StatsField.sentBytes.text(rates.perSecond(.sentBytes)),
            StatsField.receivedOperations.text(rates.perSecond(.receivedOperations)),
            rates.ratio(.completions, per: .enters).map { Figure.rounded($0, decimals: 1) } ?? "-",
            StatsField.unsentBytes.text(rates.now[.unsentBytes]),
        ]
        return StatsLine.row(cells) + (troubles.isEmpty ? "" : "  " + troubles.joined(separator: ", "))
    }

    private var troubles: [String] {
        (state == .stopped ? ["stopped"] : [])
            + (stalled.isEmpty ? [] : ["stalled \(stalled.count)"])
            + rates.grown(among: StatsReport.troubles).map { "\($0.field.heading) \($0.field.text($0.growth))" }
    }

    // MARK: JSON

    enum CodingKeys: String, CodingKey {
        case pid, driver, state, connections, troubles
        case waiting = "waiting_clients"
        case application = "application_share"
        case library = "library_share"
        case kernel = "kernel_share"
        case time = "unix_ms"
        case elapsed = "elapsed_ns"
        case accepted = "accepted_per_second"
        case closed = "closed_per_second"
        case received = "received_bytes_per_second"
        case sent = "sent_bytes_per_second"
        case messages = "messages_per_second"
        case batch = "completions_per_enter"
        case unsent = "unsent_bytes"
        case stalled = "stalled_workers"
    }

    /// A rate that cannot be told is null, not missing.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(processID, forKey: .pid)
        try container.encode(driver, forKey: .driver)
        try container.encode(state == .stopped ? "stopped" : "running", forKey: .state)
        try container.encode(Figure.whole(time.timeIntervalSince1970 * 1_000), forKey: .time)
        try container.encode(elapsed, forKey: .elapsed)
        try container.encode(rates.now[.connections], forKey: .connections)
        try container.encode(rates.now[.unsentBytes], forKey: .unsent)
        try container.encode(rates.perSecond(.accepted), forKey: .accepted)
        try container.encode(rates.perSecond(.closed), forKey: .closed)
        try container.encode(rates.perSecond(.receivedBytes), forKey: .received)
        try container.encode(rates.perSecond(.sentBytes), forKey: .sent)
        try container.encode(rates.perSecond(.receivedOperations), forKey: .messages)
        try container.encode(rates.ratio(.completions, per: .enters), forKey: .batch)
        try container.encode(rates.now[.waitingClients], forKey: .waiting)
        try container.encode(shares?.application, forKey: .application)
        try container.encode(shares?.library, forKey: .library)
        try container.encode(shares?.kernel, forKey: .kernel)
        try container.encode(stalled, forKey: .stalled)
        let grown = rates.grown(among: StatsReport.troubles).map { ($0.field.name, $0.growth) }
        try container.encode(Dictionary(uniqueKeysWithValues: grown), forKey: .troubles)
    }
}
#endif

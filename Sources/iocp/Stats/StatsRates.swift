#if Command
import IOCP

/// The counters of every worker at one moment.
struct StatsReading {
    /// The monotonic clock.
    let time: UInt64
    let workers: [WorkerStats]

    init(_ stats: borrowing PortStats) {
        time = MonotonicClock.nanoseconds()
        var workers: [WorkerStats] = []
        for index in 0..<stats.workerCount { workers.append(stats[index]) }
        self.workers = workers
    }

    var total: WorkerStats { WorkerStats.total(of: workers) }

    /// A worker is stalled if its latest wait ended this long ago and it does not sleep.
    static let stallNanoseconds: UInt64 = 1_000_000_000

    func isStalled(_ worker: WorkerStats) -> Bool {
        guard worker[.heartbeat] != nil, worker[.asleep] != nil else { return false }
        return worker.busy(at: .nanoseconds(Int64(clamping: time))) >= .nanoseconds(Self.stallNanoseconds)
    }
}

/// What became of counters between two readings.
///
/// A page holds any numbers, so a counter may go back, and a difference may be as large as a number can be. A counter that went
/// back has no rate; a rate that does not fit is the largest number.
struct StatsRates {
    private let before: WorkerStats
    /// As of the end.
    let now: WorkerStats
    private let seconds: Double

    init(from before: WorkerStats, to now: WorkerStats, nanoseconds: UInt64) {
        (self.before, self.now) = (before, now)
        seconds = Double(max(1, nanoseconds)) / 1e9
    }

    /// By how much a counter grew; nil if it is absent or went back.
    func growth(_ field: StatsField) -> UInt64? {
        guard let first = before[field], let last = now[field], last >= first else { return nil }
        return last - first
    }

    func perSecond(_ field: StatsField) -> UInt64? {
        growth(field).map { Figure.whole(Double($0) / seconds) }
    }

    /// How much of one counter came on each of another; nil where the other did not grow.
    func ratio(_ field: StatsField, per other: StatsField) -> Double? {
        guard let amount = growth(field), let count = growth(other), count > 0 else { return nil }
        return Double(amount) / Double(count)
    }

    /// The share of the time that a counter of nanoseconds grew by, 0 to 1.
    func share(_ field: StatsField) -> Double? {
        growth(field).map { min(1, Double($0) / 1e9 / seconds) }
    }

    /// What a share of the values that a histogram counted meanwhile did not exceed; nil where there were none.
    func percentile(_ share: Double, of histogram: String) -> UInt64? {
        guard let last = now.histograms.first(where: { $0.name == histogram }) else { return nil }
        guard let first = before.histograms.first(where: { $0.name == histogram }) else { return nil }
        return (last - first).percentile(share)
    }

    /// The fields of a list that grew, with their growth.
    func grown(among fields: [StatsField]) -> [(field: StatsField, growth: UInt64)] {
        fields.compactMap { field in
            growth(field).flatMap { $0 > 0 ? (field, $0) : nil }
        }
    }
}
#endif

#if Command
import IOCP

/// What one process' page tells, read again and again. Only the page is read, and the kernel is asked whether the process
/// runs: the process itself does nothing for it.
final class TopSampler {
    let processID: Int32
    let command: String
    let driver: String
    private let watch: ProcessWatch
    private var stats: PortStats
    private var before: StatsReading
    /// The page's counter of the worker's CPU time, which not every build has.
    private let busyCounter: StatsField?
    /// For each of the latest intervals: how often the page was looked at, and how often each worker was awake then.
    private var looks: [(count: Int, awake: [Int])] = []
    private let intervalsKept: Int
    private var fault: String?

    /// How often the page is looked at for the busy share where it has no counter of it.
    static let lookNanoseconds: UInt64 = 20_000_000

    /// - Parameter interval: seconds between two frames. The busy share is of a second at least.
    init(_ processID: Int32, interval: Double) throws {
        // First, so that no other process of the same number is taken for the one whose page is read.
        watch = ProcessWatch(processID)
        stats = try Stats.page(of: processID)
        self.processID = processID
        (command, driver) = (ProcessName.of(processID), stats.driver)
        busyCounter = stats.fields.first { $0.name == "cpu_time_ns" && $0.unit == .nanoseconds && $0.kind == .counter }
        intervalsKept = max(1, Int((1 / interval).rounded(.up)))
        before = StatsReading(stats)
        looks = [(0, Array(repeating: 0, count: before.workers.count))]
    }

    var looksBetweenFrames: Bool { busyCounter == nil }

    /// Counts who is awake now.
    func look() {
        guard (try? stats.refresh()) != nil else { return }
        looks[looks.count - 1].count += 1
        for worker in 0..<stats.workerCount where !stats[worker].isAsleep && stats[worker].heartbeat != .zero {
            looks[looks.count - 1].awake[worker] += 1
        }
    }

    /// What happened since the latest frame.
    func frame() -> TopFrame {
        let state = watch.state
        do throws(IOCPError) {
            try stats.refresh()
        } catch {
            fault = "its page cannot be read any more: \(error)"
        }
        // Unspecified after a failure, so the latest that were right stay.
        let now = fault == nil ? StatsReading(stats) : before
        let elapsed = max(1, now.time - before.time)
        let rows = now.workers.indices.map { index in
            let rates = StatsRates(from: before.workers[index], to: now.workers[index], nanoseconds: elapsed)
            return TopWorker(
                index: index, rates: rates, busy: busy(index, rates),
                time: StatsTime(
                    from: before.workers[index], to: now.workers[index], workers: 1, nanoseconds: elapsed), state: self.state(of: index, now, state),
                wait: now.workers[index].busy(at: .nanoseconds(Int64(clamping: now.time))))
        }
        let total = StatsRates(from: before.total, to: now.total, nanoseconds: elapsed)
        before = now
        looks.append((0, Array(repeating: 0, count: now.workers.count)))
        if looks.count > intervalsKept + 1 { looks.removeFirst() }
        return TopFrame(
            processID: processID, command: command, driver: driver, state: fault == nil ? state : .gone, fault: fault,
            workers: rows, total: total)
    }

    private func busy(_ worker: Int, _ rates: StatsRates) -> Double? {
        if let busyCounter { return rates.share(busyCounter) }
        let count = looks.reduce(0) { $0 + $1.count }
        guard count > 0, rates.now[.asleep] != nil, rates.now[.heartbeat] != nil else { return nil }
        return Double(looks.reduce(0) { $0 + $1.awake[worker] }) / Double(count)
    }

    private func state(of worker: Int, _ now: StatsReading, _ process: ProcessWatch.State) -> TopWorker.State {
        let stats = now.workers[worker]
        if process == .gone || fault != nil { return .gone }
        if process == .stopped { return .stalled }
        if now.isStalled(stats) { return .stalled }
        if stats[.heartbeat] == 0 { return .absent }
        return stats[.asleep].map { $0 == 0 ? .awake : .asleep } ?? .unknown
    }
}

/// One worker in one frame.
struct TopWorker {
    enum State: String {
        case asleep = "sleeps"
        case awake = "runs"
        /// It runs something for a second or longer, or its whole process is stopped.
        case stalled
        /// It has not begun to wait, or has ended.
        case absent = "-"
        case gone
        /// The page lacks what it takes to tell.
        case unknown = "?"
    }

    let index: Int
    let rates: StatsRates
    /// 0 to 1, or nil where the page does not tell.
    let busy: Double?
    /// What its time went to, or nil where the page does not tell.
    let time: StatsTime?
    let state: State
    /// Since its latest wait ended.
    let wait: Duration
}

/// One process in one frame.
struct TopFrame {
    let processID: Int32
    /// Fit for a terminal.
    let command: String
    let driver: String
    let state: ProcessWatch.State
    let fault: String?
    let workers: [TopWorker]
    let total: StatsRates

    /// What went short in this interval, summed over workers.
    static let starved: [StatsField] = [.starvedReceives]
    static let refused: [StatsField] = [
        .refusedSends, .refusedAddresses, .acceptFailures, .droppedSends, .droppedClients, .refusedPosts,
        .refusedOffloads,
    ]
}
#endif

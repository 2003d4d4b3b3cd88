#if Command
/// What the user chose to see, and what there is to see.
struct TopView {
    private(set) var sort = TopSort.worker
    private(set) var isPaused = false
    private(set) var showsHelp = false
    /// The first row of the workers that is shown.
    private(set) var offset = 0
    /// The frame on the screen.
    private(set) var frame: TopFrame?
    private var latest: TopFrame?
    /// Messages per second of every interval, the oldest first.
    private(set) var history: [UInt64] = []
    /// This process' place among those that have a port, from 1.
    var place = 1
    var processCount = 1
    let interval: Double

    /// Ten minutes of seconds.
    private static let historyMax = 600

    init(interval: Double) { self.interval = interval }

    var isGone: Bool { latest?.state == .gone }

    mutating func take(_ frame: TopFrame) {
        latest = frame
        if !isPaused { self.frame = frame }
        guard frame.state != .gone else { return }
        history.append(frame.total.perSecond(.receivedOperations) ?? 0)
        if history.count > TopView.historyMax { history.removeFirst() }
    }

    /// Another process: nothing of the one before is left but how things are shown.
    mutating func forget() {
        (frame, latest, history, offset, isPaused) = (nil, nil, [], 0, false)
    }

    /// - Parameter page: how many workers the screen shows.
    mutating func obey(_ key: TopKey, page: Int) {
        switch key {
        case .pause:
            isPaused.toggle()
            if !isPaused { frame = latest }
        case .help: showsHelp.toggle()
        case .nextSort: sort = sort.next
        case .sort(let sort): self.sort = sort
        case .scroll(let scroll): self.scroll(scroll, page: page)
        case .quit, .process, .other: showsHelp = false
        }
    }

    private mutating func scroll(_ scroll: TopScroll, page: Int) {
        let last = max(0, (frame?.workers.count ?? 0) - page)
        let wanted =
            switch scroll {
            case .rows(let count): offset + count
            case .pages(let count): offset + count * max(1, page)
            case .start: 0
            case .end: last
            }
        offset = min(max(0, wanted), last)
    }

    /// The terminal may have grown.
    mutating func keepOffset(page: Int) { scroll(.rows(0), page: page) }

    /// The workers in their order.
    var workers: [TopWorker] {
        guard let frame else { return [] }
        guard sort != .worker else { return frame.workers }
        let keyed = frame.workers.map { (worker: $0, key: key(of: $0)) }
        // Equal ones stay in the order of their numbers, so that rows do not change places for nothing.
        return keyed.sorted { ($1.key, $0.worker.index) < ($0.key, $1.worker.index) }.map(\.worker)
    }

    private func key(of worker: TopWorker) -> UInt64 {
        switch sort {
        case .worker: 0
        case .connections: worker.rates.now.connections
        case .messages: worker.rates.perSecond(.receivedOperations) ?? 0
        case .busy: Figure.whole((worker.busy ?? 0) * 1e6)
        case .unsent: worker.rates.now.unsentBytes
        case .received: worker.rates.perSecond(.receivedBytes) ?? 0
        case .sent: worker.rates.perSecond(.sentBytes) ?? 0
        }
    }
}
#endif

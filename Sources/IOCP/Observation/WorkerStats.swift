import CIOCP

/// What one worker has counted, at one moment. A value, to be used on any thread.
///
/// Each field is a property, as ``receivedBytes``, and a subscript of its ``StatsField``. The two differ for a page of
/// another build: where it lacks a field, the property is 0 and the subscript is nil. Fields that only that build has
/// are reached by the subscript alone.
public struct WorkerStats: Sendable {
    /// The fields of this build, in the order of the table. The properties are generated from the same table.
    public static let fields: [StatsField] = (0..<IOCP_STATS_FIELD_COUNT.rawValue).map {
        StatsField(iocp_stats_index(rawValue: $0))
    }

    /// A field that is absent is 0 here.
    private(set) var raw: iocp_worker_stats
    private var present: Presence
    /// Fields of another build.
    private var others: [StatsField: UInt64]
    /// How often values were in each range: of turns, wake-ups, timers and waits. Empty for a page of a build that had none.
    public internal(set) var histograms: [StatsHistogram] = []

    /// Of no worker: every field is absent. A total starts from this.
    public init() {
        raw = iocp_worker_stats()
        raw.cpu = .max
        (present, others) = (Presence(), [:])
    }

    /// Of a worker of this build.
    init(_ raw: iocp_worker_stats, histograms: [StatsHistogram]) {
        self.init(raw, present: WorkerStats.allFields, others: [:], histograms: histograms)
    }

    /// Of a worker of any build. Fields of `raw` that are not `present` are 0.
    init(
        _ raw: iocp_worker_stats, present: Presence, others: [StatsField: UInt64], histograms: [StatsHistogram]
    ) {
        (self.raw, self.present, self.others, self.histograms) = (raw, present, others, histograms)
    }

    private static let allFields = presence { _ in true }
    private static let fieldsWithTotal = presence { $0.total != .absent }

    private static func presence(where condition: (StatsField) -> Bool) -> Presence {
        fields.enumerated().reduce(into: Presence()) { $0[$1.offset] = condition($1.element) }
    }

    /// Which fields of this build are there: bit i is the field with index i.
    struct Presence: Hashable {
        private var low: UInt64 = 0
        private var high: UInt64 = 0

        init() {}

        init(_ raw: iocp_stats_fields) { (low, high) = raw.words }

        subscript(index: Int) -> Bool {
            get { (index < 64 ? low >> index : high >> (index - 64)) & 1 != 0 }
            set {
                let bit: UInt64 = 1 << (index % 64)
                if index < 64 {
                    low = newValue ? low | bit : low & ~bit
                } else {
                    high = newValue ? high | bit : high & ~bit
                }
            }
        }

        mutating func formUnion(_ other: Presence, of some: Presence) {
            low |= other.low & some.low
            high |= other.high & some.high
        }
    }

    // MARK: Where it ran

    /// The CPU the worker's thread is bound to, or nil.
    public var core: Int? { raw.cpu == .max ? nil : Int(raw.cpu) }

    /// The NUMA node of the worker's memory.
    public var node: Int { Int(raw.node) }

    /// How long the worker's handlers have been running since its latest wait: zero while it sleeps, and a stall when
    /// it grows, since the worker's other connections wait as long. Zero as well where ``heartbeat`` is absent.
    /// - Parameter now: the monotonic clock.
    public func busy(at now: Duration) -> Duration {
        isAsleep || heartbeat == .zero ? .zero : max(.zero, now - heartbeat)
    }

    /// What took the most of ``longestTurn``, the longest time for which the application held the worker's thread.
    public var longestTurnCause: TurnCause { TurnCause(number: self[.longestTurnIn] ?? 0) }

    // MARK: Fields

    /// The value of a field in its unit, or nil where there is none: a page of another build may lack it, and a total
    /// has none of a field whose ``StatsField/total`` is absent.
    /// - Complexity: O(1).
    public subscript(field: StatsField) -> UInt64? {
        get {
            guard let index = field.index else { return others[field] }
            guard present[index] else { return nil }
            // Lent for the call.
            return unsafe withUnsafePointer(to: raw) { unsafe iocp_worker_stats_value($0, UInt32(index)) }
        }
        set {
            guard let index = field.index else {
                others[field] = newValue
                return
            }
            present[index] = newValue != nil
            // Lent for the call.
            unsafe iocp_worker_stats_set_value(&raw, UInt32(index), newValue ?? 0)
        }
    }

    // MARK: Totals

    /// The counters of several workers as one, each by its field's ``StatsField/total``. A field is absent where all of
    /// them lack it. A total has no core, and its node is 0.
    /// - Complexity: O(workers * fields).
    public static func total(of workers: some Sequence<WorkerStats>) -> WorkerStats {
        workers.reduce(into: WorkerStats()) { $0 += $1 }
    }

    /// Adds another worker's counters, each by its field's ``StatsField/total``; core, node and fields without a total
    /// stay. A sum that does not fit wraps: the numbers may be whatever another process wrote into its page.
    /// - Complexity: O(fields).
    public static func += (left: inout WorkerStats, right: WorkerStats) {
        // Lent for the call.
        unsafe withUnsafePointer(to: right.raw) { unsafe iocp_worker_stats_add(&left.raw, $0) }
        left.present.formUnion(right.present, of: fieldsWithTotal)
        for histogram in right.histograms {
            if let place = left.histograms.firstIndex(where: { $0.name == histogram.name }) {
                left.histograms[place] += histogram
            } else {
                left.histograms.append(histogram)
            }
        }
        for (field, value) in right.others {
            switch field.total {
            case .sum: left.others[field, default: 0] &+= value
            case .newest: left.others[field] = max(left.others[field] ?? 0, value)
            case .absent: break
            }
        }
    }
}

extension WorkerStats: Hashable {
    public static func == (left: WorkerStats, right: WorkerStats) -> Bool {
        left.raw.cpu == right.raw.cpu && left.raw.node == right.raw.node && left.others == right.others
            && left.histograms == right.histograms && fields.allSatisfy { left[$0] == right[$0] }
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(raw.cpu)
        hasher.combine(raw.node)
        hasher.combine(others)
        hasher.combine(histograms)
        for field in WorkerStats.fields { hasher.combine(self[field]) }
    }
}

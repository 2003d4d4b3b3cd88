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
    /// Bit i: the field with index i is there.
    private var present: UInt64
    /// Fields of another build.
    private var others: [StatsField: UInt64]

    /// Of no worker: every field is absent. A total starts from this.
    public init() {
        raw = iocp_worker_stats()
        raw.cpu = .max
        (present, others) = (0, [:])
    }

    /// Of a worker of this build.
    init(_ raw: iocp_worker_stats) {
        self.init(raw, present: WorkerStats.allFields, others: [:])
    }

    /// Of a worker of any build. Fields of `raw` that are not `present` are 0.
    init(_ raw: iocp_worker_stats, present: UInt64, others: [StatsField: UInt64]) {
        (self.raw, self.present, self.others) = (raw, present, others)
    }

    private static let allFields = bits { _ in true }
    private static let fieldsWithTotal = bits { $0.total != .absent }

    private static func bits(where condition: (StatsField) -> Bool) -> UInt64 {
        fields.enumerated().reduce(0) { condition($1.element) ? $0 | 1 << $1.offset : $0 }
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

    // MARK: Fields

    /// The value of a field in its unit, or nil where there is none: a page of another build may lack it, and a total
    /// has none of a field whose ``StatsField/total`` is absent.
    /// - Complexity: O(1).
    public subscript(field: StatsField) -> UInt64? {
        get {
            guard let index = field.index else { return others[field] }
            guard present & 1 << index != 0 else { return nil }
            // Lent for the call.
            return unsafe withUnsafePointer(to: raw) { unsafe iocp_worker_stats_value($0, UInt32(index)) }
        }
        set {
            guard let index = field.index else {
                others[field] = newValue
                return
            }
            present = newValue == nil ? present & ~(1 << index) : present | 1 << index
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
        left.present |= right.present & fieldsWithTotal
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
            && fields.allSatisfy { left[$0] == right[$0] }
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(raw.cpu)
        hasher.combine(raw.node)
        hasher.combine(others)
        for field in WorkerStats.fields { hasher.combine(self[field]) }
    }
}

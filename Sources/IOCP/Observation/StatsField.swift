import CIOCP

/// One thing that every worker counts: its name, how its value behaves, and what it means.
///
/// This build's fields are ``WorkerStats/fields``, each also a constant as ``receivedBytes``. A page of another build
/// may have more, which ``PortStats/fields`` names. A value, to be used on any thread.
public struct StatsField: Hashable, Sendable {
    /// How a value behaves.
    public enum Kind: String, Sendable, CaseIterable {
        /// Grows from the start of the port. Two readings tell a rate.
        case counter
        /// Is as of now.
        case gauge
        /// Another build's, which this one does not know.
        case unknown
    }

    /// What a value is a number of.
    public enum Unit: String, Sendable, CaseIterable {
        /// `count` is a number of things, `bytes` one of bytes.
        case count, bytes
        /// Nanoseconds.
        case nanoseconds = "ns"
        /// 0 or 1.
        case flag
        /// Bits, which ``WorkerStats/driverFeatures`` names.
        case set
        /// Another build's, which this one does not know.
        case unknown
    }

    /// How the values of several workers make one.
    public enum Total: String, Sendable, CaseIterable {
        /// The sum.
        case sum
        /// The largest, as of a time.
        case newest
        /// There is no total.
        case absent = "none"
    }

    /// 1 to 31 lower-case letters, digits and '_', as `iocp stats --json` has it. The unit comes last in it.
    public let name: String
    /// How the value behaves: grows, or is as of now.
    public let kind: Kind
    /// What the value is a number of.
    public let unit: Unit
    /// How the values of several workers make one.
    public let total: Total
    /// One sentence; empty for a field that only another build has.
    public let summary: String
    /// The place in this build's table, or nil for another build's field.
    let index: Int?

    /// A row of this build's table.
    init(_ index: iocp_stats_index) {
        // The enumerators are the table's own rows, for which there is always a descriptor.
        unsafe self.init(iocp_stats_field_at(index.rawValue).pointee, index: Int(index.rawValue))
    }

    /// - Parameter raw: its strings are copied.
    init(_ raw: iocp_stats_field, index: Int?) {
        name = unsafe String(cString: raw.name)
        kind = unsafe Kind(rawValue: String(cString: iocp_stats_kind_name(raw.kind))) ?? .unknown
        unit = unsafe Unit(rawValue: String(cString: iocp_stats_unit_name(raw.unit))) ?? .unknown
        total = unsafe Total(rawValue: String(cString: iocp_stats_total_name(raw.total))) ?? .absent
        summary = unsafe String(cString: raw.summary)
        self.index = index
    }
}

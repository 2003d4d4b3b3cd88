import CIOCP

/// A row of the table of counters.
struct Row {
    let name: String
    let summary: String
    let kind: iocp_stats_kind
    let unit: iocp_stats_unit
    let total: iocp_stats_total

    static let all: [Row] = (0..<IOCP_STATS_FIELD_COUNT.rawValue).map { Row(iocp_stats_field_at($0)!.pointee) }

    static let histograms: [Row] = (0..<IOCP_STATS_HISTOGRAM_COUNT.rawValue).map { Row(iocp_stats_histogram_at($0)!.pointee) }

    private init(_ field: iocp_stats_field) {
        (name, summary) = (String(cString: field.name), String(cString: field.summary))
        (kind, unit, total) = (field.kind, field.unit, field.total)
    }
}

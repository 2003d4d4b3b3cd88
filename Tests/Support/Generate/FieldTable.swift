import CIOCP

/// The tables of fields and of histograms within docs/STATS.md, each between two marks.
enum FieldTable {
    struct NoMarks: Error, CustomStringConvertible {
        let begin: String, end: String

        var description: String { "docs/STATS.md has no \"\(begin)\" and \"\(end)\" behind it, each on its line" }
    }

    /// The document with the tables anew, and the rest as it is.
    static func document(_ present: String) throws -> String {
        let fields = try put(table, into: present, between: "<!-- the table: make generate -->", "<!-- end of the table -->")
        let both = try put(
            histograms, into: fields, between: "<!-- the histograms: make generate -->", "<!-- end of the histograms -->")
        return try put(
            features, into: both, between: "<!-- the features: make generate -->", "<!-- end of the features -->")
    }

    private static func put(
        _ table: [String], into document: String, between begin: String, _ end: String
    ) throws -> String {
        let lines = document.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard let first = lines.firstIndex(of: begin), let last = lines.firstIndex(of: end), first < last else {
            throw NoMarks(begin: begin, end: end)
        }
        return (lines[...first] + table + lines[last...]).joined(separator: "\n")
    }

    private static var histograms: [String] {
        ["| histogram | unit | meaning |", "|---|---|---|"]
            + Row.histograms.map { row in
                "| `\(row.name)` | \(String(cString: iocp_stats_unit_name(row.unit)!)) | \(row.summary) |"
            }
    }

    private static var features: [String] {
        ["| feature | meaning |", "|---|---|"]
            + (0..<IOCP_FEATURE_COUNT.rawValue).map { bit in
                "| `\(String(cString: iocp_feature_name(bit)!))` | \(String(cString: iocp_feature_summary(bit)!)) |"
            }
    }

    private static var table: [String] {
        ["| field | kind | unit | total | meaning |", "|---|---|---|---|---|"]
            + Row.all.map { row in
                let words = [
                    iocp_stats_kind_name(row.kind), iocp_stats_unit_name(row.unit), iocp_stats_total_name(row.total),
                ].map { String(cString: $0!) }
                return "| `\(row.name)` | \(words.joined(separator: " | ")) | \(row.summary) |"
            }
    }
}

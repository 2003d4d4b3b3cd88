import CIOCP

/// The table of fields within docs/STATS.md, between two marks.
enum FieldTable {
    struct NoMarks: Error, CustomStringConvertible {
        var description: String { "docs/STATS.md has no \"\(begin)\" and \"\(end)\" behind it, each on its line" }
    }

    private static let begin = "<!-- the table: make generate -->", end = "<!-- end of the table -->"

    /// The document with the table anew, and the rest as it is.
    static func document(_ present: String) throws -> String {
        let lines = present.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard let first = lines.firstIndex(of: begin), let last = lines.firstIndex(of: end), first < last else {
            throw NoMarks()
        }
        return (lines[...first] + table + lines[last...]).joined(separator: "\n")
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

import CIOCP

/// The Swift constant and the Swift property of every field.
enum SwiftProperties {
    static func file(_ present: String) -> String {
        """
        // Generated from CSources/CIOCP/include/iocp_stats_fields.h by `make generate`. Do not edit.
        import CIOCP

        extension StatsField {
        \(Row.all.map(constant).joined(separator: "\n"))
        }

        extension WorkerStats {
        \(Row.all.map(property).joined(separator: "\n"))
        }

        """
    }

    private static func constant(_ row: Row) -> String {
        """
        \(comment(row.summary))
            public static let \(swiftName(row)) = StatsField(IOCP_STATS_INDEX_\(row.name))
        """
    }

    /// A time is a `Duration` and a flag a `Bool`, whose name says so.
    private static func property(_ row: Row) -> String {
        let name = swiftName(row)
        let declaration =
            switch row.unit {
            case IOCP_STATS_UNIT_FLAG: "is\(capitalised(name)): Bool { raw.\(row.name) != 0 }"
            case IOCP_STATS_UNIT_NANOSECONDS: "\(name): Duration { .nanoseconds(Int64(clamping: raw.\(row.name))) }"
            default: "\(name): UInt64 { raw.\(row.name) }"
            }
        return comment(row.summary) + "\n    public var " + declaration
    }

    /// received_bytes is receivedBytes, and heartbeat_ns is heartbeat: a `Duration` has no unit.
    private static func swiftName(_ row: Row) -> String {
        let words = row.name.split(separator: "_").map(String.init)
        let kept = row.unit == IOCP_STATS_UNIT_NANOSECONDS && words.last == "ns" ? words.dropLast() : words[...]
        return (kept.prefix(1) + kept.dropFirst().map(capitalised)).joined()
    }

    private static func capitalised(_ word: String) -> String { word.prefix(1).uppercased() + word.dropFirst() }

    /// In lines of at most 120 characters.
    private static func comment(_ text: String) -> String {
        var lines = ["    ///"]
        for word in text.split(separator: " ") {
            if lines.last!.count + 1 + word.count > 120 { lines.append("    ///") }
            lines[lines.count - 1] += " " + word
        }
        return lines.joined(separator: "\n")
    }
}

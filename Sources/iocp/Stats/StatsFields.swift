#if Command
import IOCP

/// How the command shows a field of the stats page.
extension StatsField {
    /// "received ops" for received_operations. The cells below it carry the unit of bytes and times.
    var heading: String {
        var words = name.split(separator: "_").map { $0 == "operations" ? "ops" : String($0) }
        if words.count > 1, words.last == "bytes" || words.last == "ns" { words.removeLast() }
        return words.joined(separator: " ")
    }

    /// A value for people to read; "-" for one that is absent.
    func text(_ value: UInt64?) -> String {
        guard let value else { return "-" }
        return switch unit {
        case .count, .unknown, .set: Figure.count(value)
        case .bytes: Figure.bytes(value)
        case .nanoseconds: Figure.nanoseconds(value)
        case .flag: value == 0 ? "no" : "yes"
        }
    }
}

/// What `iocp stats --fields` lists: every field that a worker of this build counts.
struct StatsFieldList: Encodable {
    private struct Row: Encodable {
        let name, kind, unit, total, summary: String
    }

    private let fields = WorkerStats.fields.map { field in
        Row(
            name: field.name, kind: field.kind.rawValue, unit: field.unit.rawValue, total: field.total.rawValue,
            summary: field.summary)
    }

    var lines: [String] {
        TextTable(
            ["field", "kind", "unit", "total", "meaning"],
            fields.map { [$0.name, $0.kind, $0.unit, $0.total, $0.summary] }, alignment: .left
        ).lines
    }
}
#endif

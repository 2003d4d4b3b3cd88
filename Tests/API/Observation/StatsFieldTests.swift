import CIOCPInternals
import ChildProcesses
import Foundation
import IOCP
import Testing

/// What repeats the core's table of counters says what the table says.
@Suite struct StatsFieldTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    @Test("the generated Swift and the generated documentation are those of the table")
    func generated() throws {
        let child = try ChildProcess("iocp-generate", ["--check", Self.root.path])
        #expect(try child.end() == 0)
        #expect(child.text(of: .output) == "" && child.text(of: .errors) == "")
    }

    @Test("the Swift descriptors are the core's")
    func descriptors() {
        #expect(WorkerStats.fields.count == Int(IOCP_STATS_FIELD_COUNT.rawValue))
        for (index, field) in WorkerStats.fields.enumerated() {
            let row = iocp_stats_field_at(UInt32(index)).pointee
            #expect(field.name == String(cString: row.name) && field.summary == String(cString: row.summary))
            #expect(field.kind.rawValue == String(cString: iocp_stats_kind_name(row.kind)), "\(field.name)")
            #expect(field.unit.rawValue == String(cString: iocp_stats_unit_name(row.unit)), "\(field.name)")
            #expect(field.total.rawValue == String(cString: iocp_stats_total_name(row.total)), "\(field.name)")
        }
        #expect(StatsField.receivedBytes.name == "received_bytes" && StatsField.heartbeat.name == "heartbeat_ns")
        #expect(WorkerStats.fields.contains(.asleep) && WorkerStats.fields.first == .connections)
    }

    @Test("every code of the core has a Swift case")
    func codes() {
        let kinds = (0..<3).map { String(cString: iocp_stats_kind_name(iocp_stats_kind(rawValue: $0))) }
        #expect(Set(StatsField.Kind.allCases.map(\.rawValue)) == Set(kinds))
        let units = (0..<6).map { String(cString: iocp_stats_unit_name(iocp_stats_unit(rawValue: $0))) }
        #expect(Set(StatsField.Unit.allCases.map(\.rawValue)) == Set(units))
        let totals = (0..<3).map { String(cString: iocp_stats_total_name(iocp_stats_total(rawValue: $0))) }
        #expect(Set(StatsField.Total.allCases.map(\.rawValue)) == Set(totals))
    }

    @Test("docs/STATS.md lists every field, row by row")
    func documented() throws {
        let text = try String(contentsOf: Self.root.appending(path: "docs/STATS.md"), encoding: .utf8)
        let all = text.split(separator: "\n").filter { $0.hasPrefix("| `") }
        let (rows, others) = (all.prefix(WorkerStats.fields.count), all.dropFirst(WorkerStats.fields.count))
        let histograms = others.prefix(StatsHistogram.all.count)
        #expect(
            others.dropFirst(histograms.count).map(String.init)
                == DriverFeature.all.map { "| `\($0.name)` | \($0.summary) |" })
        #expect(
            histograms.map(String.init)
                == StatsHistogram.all.map { "| `\($0.name)` | \($0.unit.rawValue) | \($0.summary) |" })
        #expect(rows.count == WorkerStats.fields.count)
        for (row, field) in zip(rows, WorkerStats.fields) {
            let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            #expect(
                cells == [
                    "`\(field.name)`", field.kind.rawValue, field.unit.rawValue, field.total.rawValue, field.summary,
                ])
        }
    }

    @Test("iocp stats --fields lists every field")
    func listed() throws {
        let child = try ChildProcess("iocp", ["stats", "--fields"])
        #expect(try child.end() == 0)
        let rows = child.lines(of: .output)
        #expect(rows.count == WorkerStats.fields.count + 1)
        #expect(rows.first?.split(separator: " ") == ["field", "kind", "unit", "total", "meaning"])
        for (row, field) in zip(rows.dropFirst(), WorkerStats.fields) {
            let words = row.split(separator: " ", maxSplits: 4).map { $0.trimmingCharacters(in: .whitespaces) }
            #expect(
                words == [
                    field.name, field.kind.rawValue, field.unit.rawValue, field.total.rawValue, field.summary,
                ])
        }
        let json = try ChildProcess("iocp", ["stats", "--fields", "--json"])
        #expect(try json.end() == 0)
        let list = try JSONDecoder().decode([String: [[String: String]]].self, from: Data(json.text(of: .output).utf8))
        let due = WorkerStats.fields.map {
            [
                "name": $0.name, "kind": $0.kind.rawValue, "unit": $0.unit.rawValue, "total": $0.total.rawValue,
                "summary": $0.summary,
            ]
        }
        #expect(list == ["fields": due])
    }
}

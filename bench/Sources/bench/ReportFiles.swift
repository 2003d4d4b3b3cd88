import Foundation

/// The report as files: `latest.json` and `latest.md`, and a copy of each under its date.
struct ReportFiles {
    let folder: URL

    /// - Returns: the paths of the two latest files.
    func write(_ report: Report) throws -> [String] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.dateEncodingStrategy = .iso8601
        let json = try encoder.encode(report)
        let markdown = Data(Self.markdown(report).utf8)

        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        // No colons: a file name that every system and shell takes.
        let stamp = Machine.timestamp(report.machine.date).filter { $0 != ":" && $0 != "-" }
        for name in [stamp, "latest"] {
            try json.write(to: file(name, "json"), options: .atomic)
            try markdown.write(to: file(name, "md"), options: .atomic)
        }
        return [file("latest", "json").path, file("latest", "md").path]
    }

    private func file(_ name: String, _ type: String) -> URL {
        folder.appendingPathComponent("\(name).\(type)")
    }

    private static func markdown(_ report: Report) -> String {
        var parts = ["# Benchmark, \(Machine.timestamp(report.machine.date))"]
        parts.append(report.machine.lines.map { "- \($0.name): \($0.value)" }.joined(separator: "\n"))
        parts.append(report.method)
        if let targets = report.targetTable { parts += ["## Targets", targets.markdown] }
        for section in report.sections {
            parts.append("## \(section.workload)")
            parts.append(section.summary)
            parts += section.tables.map(\.markdown)
            if !section.notes.isEmpty {
                parts.append(section.notes.map { "- \($0)" }.joined(separator: "\n"))
            }
            parts.append("```\n" + section.commands.joined(separator: "\n") + "\n```")
        }
        return parts.joined(separator: "\n\n") + "\n"
    }
}

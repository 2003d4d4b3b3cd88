import Foundation

/// The report as files: `latest.json`, `latest.md` and `latest.html`, and a copy of each under its date.
struct ReportFiles {
    let folder: URL
    /// Where the page is drawn.
    let placement: Placement

    private static let python = "/usr/bin/python3"
    private static let drawnWithin: Duration = .seconds(120)

    /// - Returns: the paths of the latest files, and why there is no page among them.
    func write(_ report: Report) throws -> (paths: [String], lack: String?) {
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
        let paths = [file("latest", "json").path, file("latest", "md").path]
        do {
            try drawPage(stamp)
        } catch let failure as Failure {
            return (paths, failure.description)
        }
        return (paths + [file("latest", "html").path], nil)
    }

    /// - Throws: `Failure` where what draws is missing.
    private func drawPage(_ stamp: String) throws {
        // That of an earlier run must not pass for this one's.
        try? FileManager.default.removeItem(at: file("latest", "html"))
        let script = Folders.ofPackage().appendingPathComponent("report.py").path
        let child = try ChildProcess(
            command: [Self.python, script, file(stamp, "json").path, file(stamp, "html").path], cpu: placement.load)
        defer { child.stop() }
        let deadline = ContinuousClock.now + Self.drawnWithin
        waiting: while true {
            switch try ChildProcess.nextEvent(of: [child], before: deadline) {
            case .line: continue
            case .closed: break waiting
            case .deadline: throw Failure("\(script) did not end within \(Self.drawnWithin)")
            }
        }
        guard child.awaitEnding(patience: .seconds(5))?.exitStatus == 0 else {
            throw Failure(child.lastError ?? "\(script) failed")
        }
        do {
            try FileManager.default.copyItem(at: file(stamp, "html"), to: file("latest", "html"))
        } catch {
            throw Failure("\(error.localizedDescription)")
        }
    }

    private func file(_ name: String, _ type: String) -> URL {
        folder.appendingPathComponent("\(name).\(type)")
    }

    private static func markdown(_ report: Report) -> String {
        var parts = ["# Benchmark, \(Machine.timestamp(report.machine.date))"]
        parts.append(report.lines.map { "- \($0.name): \($0.value)" }.joined(separator: "\n"))
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

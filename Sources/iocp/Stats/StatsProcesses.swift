#if Command
import IOCP

/// The processes that have a port and may be read, several of them: one row each, or each one's report.
struct StatsProcesses {
    private struct Row {
        let report: StatsReport
        let command: String
    }
    private let rows: [Row]

    /// A process that ends meanwhile is left out.
    init(_ processIDs: [Int32]) {
        rows = processIDs.compactMap { processID in
            guard let stats = try? PortStats(processID: processID) else { return nil }
            return Row(report: StatsReport(stats), command: ProcessName.of(processID))
        }
    }

    var lines: [String] {
        TextTable(
            ["pid", "command", "driver", "workers", "connections"],
            rows.map { row in
                let report = row.report
                return [
                    "\(report.processID)", row.command, report.driver, "\(report.workerCount)",
                    StatsField.connections.text(report.total[.connections]),
                ]
            }, alignment: .left
        ).lines + ["one of them, worker by worker: iocp stats --pid PID"]
    }

    /// An array of what one process' JSON is, each with its command.
    func json() throws -> String {
        "[" + (try rows.map { try $0.report.json(command: $0.command) }).joined(separator: ",") + "]"
    }
}
#endif

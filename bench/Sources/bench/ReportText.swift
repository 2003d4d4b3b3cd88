/// The report as it is printed.
extension Report {
    var text: String {
        var parts = [machine.lines.map { "\($0.name): \($0.value)" }.joined(separator: "\n")]
        parts.append(method)
        for section in sections {
            parts.append("\(section.workload): \(section.summary)")
            parts.append(section.speed.text)
            parts.append(section.holding.text)
            if !section.notes.isEmpty {
                parts.append(section.notes.map { "! \($0)" }.joined(separator: "\n"))
            }
            parts.append(section.commands.map { "$ \($0)" }.joined(separator: "\n"))
        }
        return parts.joined(separator: "\n\n") + "\n"
    }

    /// How the figures came about, in a sentence each.
    var method: String {
        "Medians of \(rounds) rounds, \(secondsPerMeasurement) s each, servers taking turns, a fresh "
            + "process for each measurement.\n"
            + "iocp/this: throughput of iocp over this server's, above 1 iocp is faster. "
            + "this/epoll: CPU per message over epoll's, below 1 is cheaper."
    }
}

extension Report.Section {
    /// The command lines of this workload, each once.
    var commands: [String] {
        var seen: [String] = []
        for command in rows.map(\.serverCommand) + rows.map(\.loadCommand)
        where !seen.contains(command) {
            seen.append(command)
        }
        return seen
    }
}

/// The report as it is printed.
extension Report {
    var text: String {
        var parts = [lines.map { "\($0.name): \($0.value)" }.joined(separator: "\n")]
        parts.append(method)
        if let targetTable { parts.append("Targets\n\n" + targetTable.text) }
        for section in sections {
            parts.append("\(section.workload): \(section.summary)")
            parts += section.tables.map(\.text)
            if !section.notes.isEmpty {
                parts.append(section.notes.map { "! \($0)" }.joined(separator: "\n"))
            }
            parts.append(section.commands.map { "$ \($0)" }.joined(separator: "\n"))
        }
        return parts.joined(separator: "\n\n") + "\n"
    }

    /// What heads it: the machine, and how the bench was called.
    var lines: [(name: String, value: String)] { machine.lines + [("command", command)] }

    /// How the figures came about, in a sentence each.
    static func method(slices: Int, sliceMilliseconds: Int) -> String {
        "All servers of a workload are up at once, and the load turns from one to the next: slices of "
            + "\(sliceMilliseconds) ms, of which the first fifth does not count, \(slices) pairs of iocp and each other server; "
            + "fewer and longer ones where a round of messages takes long. Medians, with quartiles in parentheses or beside; "
            + "latencies are of all slices together.\n"
            + "iocp over: the ratio of two neighbouring slices; CPU and latencies below 1 are iocp's gain, throughput "
            + "above 1. \"none\": the quartiles lie on both sides of 1."
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

extension Counts {
    /// One clause: what a message costs in kernel entries and allocations.
    func words(_ contender: Contender, per noun: String) -> String {
        let allocated = allocations == 0 ? "0 allocations" : "\(Figure.fraction(allocationsPerMessage)) allocations"
        return
            "\(Figure.fraction(kernelEntriesPerMessage)) \(contender.countedEntries ?? "entries") and \(allocated) per \(noun) "
            + "(\(Figure.count(allocations)) allocations in \(Figure.count(messages)), counted in a run of its own)"
    }
}

#if Command
/// The report for people to read, in 80 columns.
extension DoctorReport {
    private static let width = 80
    private static let margin = "  "
    private static let gap = "  "

    var lines: [String] {
        let nameWidth = checks.map(\.name.count).max() ?? 0
        var lines: [String] = []
        for group in CheckGroup.allCases {
            let members = checks.filter { $0.group == group }
            guard !members.isEmpty else { continue }
            lines.append(heading(group))
            lines += members.flatMap { DoctorReport.lines($0, nameWidth: nameWidth) }
        }
        return lines + [""] + Paragraph.wrapped(summary, width: DoctorReport.width)
    }

    private func heading(_ group: CheckGroup) -> String {
        switch group {
        case .kernel: "Kernel and io_uring"
        case .limits: "Limits of this process"
        case .network: "Network"
        case .processors: "CPUs"
        case .memory: "Memory"
        case .confinement: "Confinement"
        case .cards: "Network cards"
        case .capacity: "For \(Figure.count(UInt64(connections ?? 0))) connections"
        }
    }

    /// The columns of verdict, name and what was found; then what it costs, and the commands, below the name.
    private static func lines(_ check: DoctorCheck, nameWidth: Int) -> [String] {
        let judgement = check.judgement
        let verdictWidth = Verdict.allCases.map(\.rawValue.count).max()!
        let indent = margin + padded("", verdictWidth) + gap
        let start =
            margin + padded(judgement.verdict.rawValue, verdictWidth) + gap + padded(check.name, nameWidth) + gap
        let found = Paragraph.wrapped(judgement.found, width: width - start.count)
        let blank = padded("", start.count)
        var lines = found.enumerated().map { ($0 == 0 ? start : blank) + $1 }
        if !judgement.cost.isEmpty {
            lines += Paragraph.wrapped(judgement.cost, width: width - indent.count).map { indent + $0 }
        }
        return lines + judgement.remedy.map { indent + "$ " + $0 }
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    // MARK: The last line

    var summary: String {
        guard let first else {
            let unknown = checks.count { !$0.isKnown }
            guard unknown == 0 else {
                return "No warnings, but \(Figure.counted(unknown, "check")) could not be made."
            }
            let notes = count(.note)
            let rest = notes == 0 ? "" : " " + (notes == 1 ? "1 note is" : "\(notes) notes are") + " worth reading."
            return "No warnings: this machine is fit.\(rest)"
        }
        let counts = [(count(.bad), "bad"), (count(.warning), count(.warning) == 1 ? "warning" : "warnings")]
        let told = counts.filter { $0.0 > 0 }.map { "\($0.0) \($0.1)" }.joined(separator: ", ")
        return "\(told). First: \(DoctorReport.advice(first))"
    }

    /// What to do about a check: its first command, or what was found where there is none.
    static func advice(_ check: DoctorCheck) -> String {
        check.judgement.remedy.first ?? "\(check.name): \(check.judgement.found)"
    }
}

/// Text in lines of a width.
enum Paragraph {
    /// Breaks at blanks; a word that is longer than a line has one of its own.
    static func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in text.split(separator: " ") {
            if !line.isEmpty, line.count + 1 + word.count > width {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        return lines + [line]
    }
}
#endif

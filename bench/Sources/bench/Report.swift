import Foundation

/// Everything the bench found: what is printed, and what `latest.json` holds.
struct Report: Codable {
    struct Row: Codable {
        var contender: String
        var summary: String
        var serverCommand: String
        var loadCommand: String
        var connectionsAsked: Int
        /// `nil` when no round succeeded.
        var median: Measurement?
        var rounds: [Measurement]
        var failures: [String]
        var roundsSkipped: Int
        /// This contender's CPU per message over that of epoll: below 1 is cheaper.
        var cpuOverReference: Double?
        /// The messages per second of iocp over those of this contender: above 1, iocp is faster.
        var subjectThroughputOverThis: Double?
    }

    struct Section: Codable {
        var workload: String
        var summary: String
        var connections: Int
        var rows: [Row]
        /// Sentences without which the figures would mislead.
        var notes: [String]
    }

    var machine: Machine
    var rounds: Int
    var secondsPerMeasurement: Int
    var wallSeconds: Double
    var sections: [Section]
    /// Whether every round of iocp succeeded.
    var subjectPassed: Bool

    /// A core at or above this share is taken as the bottleneck.
    static let busyShare = 0.95
    /// Above this share of the two cores, work that is not the bench's is worth a warning.
    static let disturbedShare = 0.05

    init(
        entries: [Schedule.Entry], workloads: [Workload], machine: Machine, rounds: Int,
        seconds: Int, wall: Duration
    ) {
        self.machine = machine
        self.rounds = rounds
        secondsPerMeasurement = seconds
        wallSeconds = wall.seconds
        sections = workloads.map { workload in
            Self.section(of: workload, entries: entries.filter { $0.workload.name == workload.name })
        }
        let subjects = entries.filter { $0.contender.name == Contender.subject }
        subjectPassed = subjects.allSatisfy { $0.failures.isEmpty && !$0.measurements.isEmpty }
    }

    private static func section(of workload: Workload, entries: [Schedule.Entry]) -> Section {
        func median(of contender: String) -> Measurement? {
            guard let entry = entries.first(where: { $0.contender.name == contender }),
                !entry.measurements.isEmpty
            else { return nil }
            return Measurement(mediansOf: entry.measurements)
        }
        let reference = median(of: Contender.reference)
        let subject = median(of: Contender.subject)
        let rows = entries.map { entry in
            row(entry, reference: reference, subject: subject)
        }
        return Section(
            workload: workload.name, summary: workload.summary, connections: workload.connections,
            rows: rows, notes: notes(on: rows, workload: workload))
    }

    private static func row(
        _ entry: Schedule.Entry, reference: Measurement?, subject: Measurement?
    ) -> Row {
        let median =
            entry.measurements.isEmpty ? nil : Measurement(mediansOf: entry.measurements)
        var row = Row(
            contender: entry.contender.name, summary: entry.contender.summary,
            serverCommand: entry.serverCommand.joined(separator: " "),
            loadCommand: entry.loadCommand.joined(separator: " "),
            connectionsAsked: entry.connectionsAsked, median: median, rounds: entry.measurements,
            failures: entry.failures.map(\.description), roundsSkipped: entry.skipped)
        if let median, let reference {
            row.cpuOverReference =
                median.serverCPUMicrosecondsPerMessage / reference.serverCPUMicrosecondsPerMessage
        }
        if let median, let subject {
            row.subjectThroughputOverThis = subject.messagesPerSecond / median.messagesPerSecond
        }
        return row
    }

    private static func notes(on rows: [Row], workload: Workload) -> [String] {
        var notes: [String] = []
        for row in rows {
            if row.connectionsAsked < workload.connections {
                notes.append(
                    "\(row.contender): asked for \(Figure.count(Double(row.connectionsAsked))) "
                        + "connections, the most its descriptors or threads allow here.")
            }
            if let median = row.median, Int(median.connectionsAccepted) < row.connectionsAsked {
                notes.append(
                    "\(row.contender): of \(Figure.count(Double(row.connectionsAsked))) connections "
                        + "\(Figure.count(median.connectionsEstablished)) came up and "
                        + "\(Figure.count(median.connectionsAccepted)) were accepted three quarters "
                        + "into the measurement.")
            }
            let rounds = row.rounds.count + row.failures.count + row.roundsSkipped
            if let reason = row.failures.first {
                notes.append(
                    "\(row.contender): \(row.failures.count) of \(rounds) rounds failed: \(reason)")
            }
            if row.roundsSkipped > 0 {
                notes.append(
                    "\(row.contender): \(row.roundsSkipped) of \(rounds) rounds skipped, "
                        + "out of time.")
            }
        }
        let loadBound = rows.filter { ($0.median?.loadCoreBusy ?? 0) >= busyShare }
        if !loadBound.isEmpty {
            notes.append(
                "The load generator was the bottleneck (its core at least 95 % busy) against "
                    + loadBound.map(\.contender).joined(separator: ", ")
                    + ": there, compare CPU per message rather than throughput.")
        }
        let disturbed = rows.filter { ($0.median?.otherWorkBusy ?? 0) > disturbedShare }
        if !disturbed.isEmpty {
            let shares = disturbed.map { row in
                "\(row.contender) \(Figure.percent(row.median?.otherWorkBusy ?? 0))"
            }
            notes.append(
                "Work outside the bench disturbed these figures; it took of the two cores' time: "
                    + shares.joined(separator: ", ") + ".")
        }
        return notes
    }
}

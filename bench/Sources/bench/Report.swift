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
        /// Whether there was an executable to start.
        var isBuilt: Bool
        /// Of iocp over this contender; `nil` for iocp itself.
        var subjectOverThis: Ratios?
        /// Of iocp, on either driver.
        var counts: Counts?
    }

    struct Section: Codable {
        var workload: String
        var summary: String
        var connections: Int
        /// What the figures count, what their rates are in, and the times that are measured besides the latency.
        var noun: String
        var unit: String
        var besides: String?
        /// Whether connections stay open, so that holding them has a cost to show.
        var holds: Bool
        var rows: [Row]
        /// Sentences without which the figures would mislead.
        var notes: [String]
    }

    var machine: Machine
    var rounds: Int
    var secondsPerMeasurement: Int
    var wallSeconds: Double
    /// Those of the project's targets that were measured.
    var targets: [TargetOutcome]
    var sections: [Section]
    /// Whether every round of iocp succeeded.
    var subjectPassed: Bool

    /// A core at or above this share is taken as the bottleneck.
    static let busyShare = 0.95
    /// Above this share of the two cores, work that is not the bench's is worth a warning.
    static let disturbedShare = 0.05

    init(
        entries: [Schedule.Entry], peaks: [String: Schedule.Peak], workloads: [Workload], machine: Machine, rounds: Int,
        seconds: Int, wall: Duration
    ) {
        self.machine = machine
        self.rounds = rounds
        secondsPerMeasurement = seconds
        wallSeconds = wall.seconds
        sections = workloads.map { workload in
            Self.section(
                of: workload, entries: entries.filter { $0.workload.name == workload.name },
                peak: peaks[workload.closedLoop.name])
        }
        targets = TargetOutcome.all(of: Target.all, in: entries)
        let subjects = entries.filter { $0.contender.name == Contender.subject }
        subjectPassed = subjects.allSatisfy { $0.failures.isEmpty && !$0.measurements.isEmpty }
    }

    private static func section(
        of workload: Workload, entries: [Schedule.Entry], peak: Schedule.Peak?
    ) -> Section {
        let subject = entries.first { $0.contender.name == Contender.subject }
        let rows = entries.map { row($0, subject: subject) }
        return Section(
            workload: workload.name, summary: workload.summary, connections: workload.connections,
            noun: workload.kind.noun, unit: workload.kind.unit, besides: workload.kind.besides,
            holds: workload.kind != .churn, rows: rows,
            notes: entries.flatMap { countNotes($0, workload) } + rateNotes(rows, workload: workload, peak: peak)
                + notes(on: rows, workload: workload))
    }

    private static func row(_ entry: Schedule.Entry, subject: Schedule.Entry?) -> Row {
        var row = Row(
            contender: entry.contender.name, summary: entry.contender.summary,
            serverCommand: entry.serverCommand.joined(separator: " "),
            loadCommand: entry.loadCommand.joined(separator: " "),
            connectionsAsked: entry.connectionsAsked, median: entry.medians,
            rounds: entry.measurements.sorted { $0.key < $1.key }.map(\.value),
            failures: entry.failures.map(\.description), roundsSkipped: entry.skipped, isBuilt: entry.isBuilt)
        row.counts = entry.counts
        if let subject, subject.contender.name != entry.contender.name {
            row.subjectOverThis = Ratios(of: subject.measurements, over: entry.measurements)
        }
        return row
    }

    private static func countNotes(_ entry: Schedule.Entry, _ workload: Workload) -> [String] {
        let name = entry.contender.name
        if let counts = entry.counts {
            return ["\(name): \(counts.words(entry.contender, per: workload.kind.noun))."]
        }
        return entry.countsFailure.map { ["\(name): nothing was counted: \($0)"] } ?? []
    }

    private static func rateNotes(_ rows: [Row], workload: Workload, peak: Schedule.Peak?) -> [String] {
        guard case .rate(let share) = workload.kind, case .success(let peak)? = peak?.measurement else { return [] }
        var notes = [
            "The rate is \(Figure.percent(share)) of \(Figure.rate(peak.messagesPerSecond, "msg/s")), what "
                + "\(Contender.reference) reached in a closed loop just before."
        ]
        if peak.loadCoreBusy >= busyShare {
            notes.append("The load generator was the bottleneck there: the servers' own peaks are higher.")
        }
        let late = rows.filter { ($0.median?.generatorBound ?? 0) >= 0.5 }
        if !late.isEmpty {
            notes.append(
                "The load's own lateness was half of a latency or more against "
                    + late.map(\.contender).joined(separator: ", ")
                    + ": those latencies are the generator's rather than the server's.")
        }
        return notes
    }

    private static func notes(on rows: [Row], workload: Workload) -> [String] {
        var notes: [String] = []
        for row in rows {
            guard row.isBuilt else {
                notes.append("\(row.contender): \(Contender.notBuilt).")
                continue
            }
            if row.connectionsAsked < workload.connections {
                notes.append(
                    "\(row.contender): asked for \(Figure.count(Double(row.connectionsAsked))) "
                        + "connections, the most its descriptors or threads allow here.")
            }
            if workload.kind != .churn, let median = row.median, Int(median.connectionsAccepted) < row.connectionsAsked
            {
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

import Foundation

/// Everything the bench found: what is printed, and what `latest.json` holds.
struct Report: Codable {
    struct Row: Codable {
        var contender: String
        var summary: String
        var serverCommand: String
        var loadCommand: String
        var connectionsAsked: Int
        /// Whether there was an executable to start.
        var isBuilt: Bool
        /// Why there are no figures, or no more of them.
        var failure: String?
        var roundsSkipped: Int
        var slices: [Slice]
        /// Of all slices; `nil` where there are none.
        var figures: Figures?
        var holding: Holding?
        /// Of iocp over this contender; `nil` for iocp itself.
        var subjectOverThis: Ratios?
        /// Of iocp, on either driver.
        var counts: Counts?
    }

    /// What a server did in all its slices: medians with quartiles, and latencies of all messages together.
    struct Figures: Codable {
        var messagesPerSecond: Spread
        var serverCPUMicrosecondsPerMessage: Spread
        var serverCoreBusy: Spread
        var loadCoreBusy: Spread
        var latencyMicroseconds: StressReport.Latency
        /// Of the times that the kind of load has besides: connects, whole frames, or how late the load was.
        var besidesMicroseconds: StressReport.Latency?
        /// Pairs of a percentile and its latency.
        var latencyPercentilesMicroseconds: [[Double]]
        /// Whether the load's own lateness is half of a latency or more.
        var isGeneratorBound: Bool
        /// The share of the cores of server and load that neither of them used in its turns and that was not idle.
        var otherWorkBusy: Double
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
    /// How the bench was called, and how the figures came about.
    var command: String
    var method: String
    /// Pairs of slices of iocp and each other server.
    var slices: Int
    var sliceMilliseconds: Int
    var wallSeconds: Double
    /// Those of the project's targets that were measured.
    var targets: [TargetOutcome]
    var sections: [Section]
    /// Whether iocp was measured everywhere and never failed.
    var subjectPassed: Bool

    /// A core at or above this share is taken as the bottleneck.
    static let busyShare = 0.95
    /// Above this share of the two cores, work that is not the bench's is worth a warning.
    static let disturbedShare = 0.05

    init(
        entries: [Schedule.Entry], peaks: [String: Schedule.Peak], workloads: [Workload], machine: Machine, slices: Int,
        sliceMilliseconds: Int, wall: Duration
    ) {
        self.machine = machine
        command = (["bench"] + CommandLine.arguments.dropFirst()).joined(separator: " ")
        method = Self.method(slices: slices, sliceMilliseconds: sliceMilliseconds)
        self.slices = slices
        self.sliceMilliseconds = sliceMilliseconds
        wallSeconds = wall.seconds
        sections = workloads.map { workload in
            Self.section(
                of: workload, entries: entries.filter { $0.workload.name == workload.name },
                peak: peaks[workload.closedLoop.name])
        }
        targets = TargetOutcome.all(of: Target.all, in: entries)
        let subjects = entries.filter { $0.contender.name == Contender.subject }
        subjectPassed = subjects.allSatisfy { $0.failure == nil && !$0.slices.isEmpty }
    }

    private static func section(
        of workload: Workload, entries: [Schedule.Entry], peak: Schedule.Peak?
    ) -> Section {
        let rows = entries.map(row)
        return Section(
            workload: workload.name, summary: workload.summary, connections: workload.connections,
            noun: workload.kind.noun, unit: workload.kind.unit, besides: workload.kind.besides,
            holds: workload.kind != .churn, rows: rows,
            notes: entries.flatMap { countNotes($0, workload) } + rateNotes(rows, workload: workload, peak: peak)
                + notes(on: rows, workload: workload))
    }

    private static func row(_ entry: Schedule.Entry) -> Row {
        Row(
            contender: entry.contender.name, summary: entry.contender.summary,
            serverCommand: entry.serverCommand.joined(separator: " "),
            loadCommand: entry.loadCommand.joined(separator: " "),
            connectionsAsked: entry.connectionsAsked, isBuilt: entry.isBuilt, failure: entry.failure?.description,
            roundsSkipped: entry.roundsSkipped, slices: entry.slices, figures: figures(entry), holding: entry.holding,
            subjectOverThis: Ratios(entry.pairs), counts: entry.counts)
    }

    private static func figures(_ entry: Schedule.Entry) -> Figures? {
        func spread(_ figure: KeyPath<Slice, Double>) -> Spread? {
            Spread(of: entry.slices.map { $0[keyPath: figure] })
        }
        guard let total = entry.total, let rate = spread(\.messagesPerSecond),
            let cpu = spread(\.serverCPUMicrosecondsPerMessage), let serverBusy = spread(\.serverCoreBusy),
            let loadBusy = spread(\.loadCoreBusy)
        else { return nil }
        return Figures(
            messagesPerSecond: rate, serverCPUMicrosecondsPerMessage: cpu, serverCoreBusy: serverBusy,
            loadCoreBusy: loadBusy, latencyMicroseconds: total.latencyMicroseconds, besidesMicroseconds: total.besides,
            latencyPercentilesMicroseconds: total.percentiles ?? [], isGeneratorBound: total.isGeneratorBound ?? false,
            otherWorkBusy: entry.otherWorkBusy)
    }

    private static func countNotes(_ entry: Schedule.Entry, _ workload: Workload) -> [String] {
        let name = entry.contender.name
        if let counts = entry.counts {
            return ["\(name): \(counts.words(entry.contender, per: workload.kind.noun))."]
        }
        return entry.countsFailure.map { ["\(name): nothing was counted: \($0)"] } ?? []
    }

    private static func rateNotes(_ rows: [Row], workload: Workload, peak: Schedule.Peak?) -> [String] {
        guard case .rate(let share) = workload.kind, case .success(let peak)? = peak else { return [] }
        var notes = [
            "The rate is \(Figure.percent(share)) of \(Figure.rate(peak.messagesPerSecond, "msg/s")), what "
                + "\(Contender.reference) reached in a closed loop just before."
        ]
        if peak.loadCoreBusy >= busyShare {
            notes.append("The load generator was the bottleneck there: the servers' own peaks are higher.")
        }
        let late = rows.filter { $0.figures?.isGeneratorBound ?? false }
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
            if workload.kind != .churn, let holding = row.holding,
                Int(holding.connectionsAccepted) < row.connectionsAsked
            {
                notes.append(
                    "\(row.contender): of \(Figure.count(Double(row.connectionsAsked))) connections "
                        + "\(Figure.count(holding.connectionsEstablished)) came up and "
                        + "\(Figure.count(holding.connectionsAccepted)) had been accepted before the slices.")
            }
            if let reason = row.failure {
                notes.append("\(row.contender): failed after \(row.slices.count) slices: \(reason)")
            }
            if row.roundsSkipped > 0 {
                notes.append("\(row.contender): \(row.roundsSkipped) rounds of slices skipped, out of time.")
            }
        }
        let loadBound = rows.filter { ($0.figures?.loadCoreBusy.median ?? 0) >= busyShare }
        if !loadBound.isEmpty {
            notes.append(
                "The load generator was the bottleneck (its core at least 95 % busy) against "
                    + loadBound.map(\.contender).joined(separator: ", ")
                    + ": there, compare CPU per message rather than throughput.")
        }
        let disturbed = rows.filter { ($0.figures?.otherWorkBusy ?? 0) > disturbedShare }
        if !disturbed.isEmpty {
            let shares = disturbed.map { row in
                "\(row.contender) \(Figure.percent(row.figures?.otherWorkBusy ?? 0))"
            }
            notes.append(
                "Work outside the bench, or of the kernel's own threads (ksoftirqd), is not in these figures; it took of the two "
                    + "cores' time: "
                    + shares.joined(separator: ", ") + ".")
        }
        return notes
    }
}

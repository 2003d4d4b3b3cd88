#if Command
/// The report as JSON. docs/schemas/doctor.schema.json says what its fields mean.
extension DoctorReport {
    func json() throws -> String {
        try JSONText.encode(
            Document(
                version: 1, connections: connections, verdict: worst, first: first.map { DoctorReport.advice($0) },
                counts: Counts(ok: count(.ok), note: count(.note), warning: count(.warning), bad: count(.bad)),
                checks: checks.map(Row.init)))
    }

    private struct Document: Encodable {
        let version: Int
        let connections: Int?
        let verdict: Verdict
        let first: String?
        let counts: Counts
        let checks: [Row]

        enum CodingKeys: CodingKey { case version, connections, verdict, first, counts, checks }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(version, forKey: .version)
            // Not encodeIfPresent: the shape is the same for every run.
            try container.encode(connections, forKey: .connections)
            try container.encode(verdict, forKey: .verdict)
            try container.encode(first, forKey: .first)
            try container.encode(counts, forKey: .counts)
            try container.encode(checks, forKey: .checks)
        }
    }

    private struct Counts: Encodable {
        let ok, note, warning, bad: Int
    }

    private struct Row: Encodable {
        let group: CheckGroup
        let name: String
        let verdict: Verdict
        let known: Bool
        let found: String
        let cost: String
        let remedy: [String]

        init(_ check: DoctorCheck) {
            (group, name, known) = (check.group, check.name, check.isKnown)
            let judgement = check.judgement
            (verdict, found, cost, remedy) = (judgement.verdict, judgement.found, judgement.cost, judgement.remedy)
        }
    }
}
#endif

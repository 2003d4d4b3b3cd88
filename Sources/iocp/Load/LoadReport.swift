#if Command
/// The figures of a load, as text and as JSON.
struct LoadReport {
    private let plan: LoadPlan
    private let established: Int
    private let result: LoadResult
    private let faults: LoadFaults
    /// The signal that ended the load early, or nil.
    let interruption: Int32?
    /// Why the load failed, in one line; nil when it did not.
    let failure: String?
    private let goesByTurns: Bool

    init(
        _ plan: LoadPlan, established: Int, _ result: LoadResult, _ faults: LoadFaults, interruption: Int32? = nil,
        failure: String? = nil, goesByTurns: Bool = false
    ) {
        self.goesByTurns = goesByTurns
        (self.plan, self.established, self.result, self.faults) = (plan, established, result, faults)
        self.interruption = interruption
        // What an interrupted load did not wait for was not lost.
        let lack = interruption == nil ? LoadReport.lack(plan.mode, result) : nil
        self.failure = faults.description ?? failure ?? lack
    }

    /// Where an interrupted load was, or nil.
    var interruptionLine: String? {
        guard interruption != nil else { return nil }
        return result.ended == 0
            ? "interrupted: \(established) of \(plan.connections) connections were up"
            : "interrupted after \(Figure.rounded(result.seconds, decimals: 2)) s"
    }

    private static func lack(_ mode: LoadMode, _ result: LoadResult) -> String? {
        guard result.unanswered > 0 else { return nil }
        let due = Figure.counted(result.unanswered, mode.noun, plural: mode.nounPlural)
        return "\(due) that were due never came: the server lost them, or serves less than it is asked for"
    }

    private var messagesPerSecond: Double {
        result.messages == 0 ? 0 : Double(result.messages) / result.seconds
    }

    /// Payload that came back, or was delivered.
    private var bytesPerSecond: Double { messagesPerSecond * Double(plan.messageBytes) }

    // MARK: The schedule of an open loop

    /// Whether the load's own lateness is a good part of its latencies.
    ///
    /// It is counted in them, so where it is half of a percentile that figure tells of the load, not of the server.
    private var isGeneratorBound: Bool {
        [50, 99, 99.9].contains { result.besides.percentile($0) * 2 > result.latency.percentile($0) }
    }

    private func paceLines(_ perSecond: Int) -> [String] {
        var lines = [
            "rate: \(Figure.count(UInt64(perSecond))) msg/s asked for",
            "behind its schedule: " + (result.messages == 0 ? "no messages" : result.besides.description),
        ]
        if result.messages > 0, isGeneratorBound {
            lines.append("note: half of a latency or more is the load's own lateness: that figure tells of the load")
        }
        return lines
    }

    // MARK: Text

    var throughputLine: String { "throughput: \(Int(messagesPerSecond.rounded())) \(plan.mode.unit)" }

    /// What follows the throughput; nothing when it never came to measuring.
    var lines: [String] {
        guard result.ended > 0 else { return [] }
        var lines = ["latency: " + (result.messages == 0 ? "no \(plan.mode.nounPlural)" : result.latency.description)]
        var verb = "echoed"
        switch plan.mode {
        case .echo: break
        case .rate(let perSecond): lines += paceLines(perSecond)
        case .churn: lines.append("connect: \(result.besides.description)")
        case .fanOut:
            lines.append("to the last subscriber: \(result.besides.description)")
            lines.append("frames: \(Figure.count(UInt64(result.besides.count)))")
            verb = "delivered"
        }
        return lines + [
            "\(verb): \(Figure.bytes(UInt64(bytesPerSecond)))/s, \(Figure.count(UInt64(result.messages))) "
                + "\(plan.mode.nounPlural) of \(plan.messageBytes) B in \(Figure.rounded(result.seconds, decimals: 2)) s",
            "errors: \(faults.errors)",
            "mismatches: \(faults.mismatches)",
        ]
    }

    // MARK: JSON

    func json() throws -> String {
        var document = Document(
            connections: plan.connections, established: established, messages: result.messages,
            messagesPerSecond: messagesPerSecond.rounded(), bytesPerSecond: bytesPerSecond.rounded(),
            latency: result.latency.document, errors: faults.errors, mismatches: faults.mismatches)
        let besides = result.besides.document
        switch plan.mode {
        case .echo: break
        case .rate(let perSecond):
            document.rateAsked = perSecond
            document.behindSchedule = besides
            document.isGeneratorBound = isGeneratorBound
        case .churn:
            document.connectLatency = besides
        case .fanOut:
            document.frames = result.besides.count
            document.frameLatency = besides
        }
        if plan.mode.waitsForAnswers { document.unanswered = result.unanswered }
        if goesByTurns {
            document.seconds = result.seconds
            document.loadCPU = Double(result.cpu.load) / 1_000
            if plan.serverProcess != nil { document.serverCPU = Double(result.cpu.server) / 1_000 }
            document.distribution = result.latency.distribution
        }
        if interruption != nil { document.interrupted = true }
        return try JSONText.encode(document)
    }

    private struct Document: Encodable {
        let connections, established, messages: Int
        let messagesPerSecond, bytesPerSecond: Double
        let latency: LoadLatency.Document
        let errors, mismatches: Int
        /// Of some modes only.
        var unanswered, rateAsked, frames: Int?
        var behindSchedule, connectLatency, frameLatency: LoadLatency.Document?
        var isGeneratorBound, interrupted: Bool?
        /// By turns only: what they took together, CPU time in microseconds, and the latencies of some percentiles.
        var seconds, loadCPU, serverCPU: Double?
        var distribution: [[Double]]?

        enum CodingKeys: String, CodingKey {
            case connections, established, messages, errors, mismatches, unanswered, frames, interrupted
            case messagesPerSecond = "messages_per_second"
            case bytesPerSecond = "bytes_per_second"
            case latency = "latency_us"
            case rateAsked = "rate_asked"
            case behindSchedule = "behind_schedule_us"
            case isGeneratorBound = "generator_bound"
            case connectLatency = "connect_us"
            case frameLatency = "frame_us"
            case seconds
            case loadCPU = "load_cpu_us"
            case serverCPU = "server_cpu_us"
            case distribution = "latency_percentiles_us"
        }
    }
}
#endif

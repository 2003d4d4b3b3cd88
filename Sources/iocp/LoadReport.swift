/// The figures of a load, as text and as JSON.
struct LoadReport {
    private let plan: LoadPlan
    private let established: Int
    private let result: LoadResult
    private let faults: LoadFaults
    /// Why the load failed, in one line; nil when it did not.
    let failure: String?

    init(_ plan: LoadPlan, established: Int, _ result: LoadResult, _ faults: LoadFaults, failure: String?) {
        (self.plan, self.established, self.result, self.faults) = (plan, established, result, faults)
        self.failure = faults.description ?? failure
    }

    private var messagesPerSecond: Double {
        result.messages == 0 ? 0 : Double(result.messages) / result.seconds
    }

    /// Echoed payload: the same number went out and came back.
    private var bytesPerSecond: Double { messagesPerSecond * Double(plan.messageBytes) }

    // MARK: Text

    var throughputLine: String { "throughput: \(Int(messagesPerSecond.rounded())) msg/s" }

    /// What follows the throughput; nothing when it never came to measuring.
    var lines: [String] {
        guard result.ended > 0 else { return [] }
        let latencies: [String] = [("p50", 50), ("p99", 99), ("p99.9", 99.9)].map { name, percentile in
            "\(name) \(Figure.nanoseconds(result.percentile(percentile)))"
        }
        let longest = "max \(Figure.nanoseconds(result.latencyLongest))"
        return [
            "latency: " + (result.messages == 0 ? "no messages" : (latencies + [longest]).joined(separator: ", ")),
            "echoed: \(Figure.bytes(UInt64(bytesPerSecond)))/s, \(Figure.count(UInt64(result.messages))) messages of "
                + "\(plan.messageBytes) B in \(Figure.rounded(result.seconds, decimals: 2)) s",
            "errors: \(faults.errors)",
            "mismatches: \(faults.mismatches)",
        ]
    }

    // MARK: JSON

    func json() throws -> String {
        try JSONText.encode(
            Document(
                connections: plan.connections, established: established, messages: result.messages,
                messagesPerSecond: messagesPerSecond.rounded(), bytesPerSecond: bytesPerSecond.rounded(),
                latency: Latency(
                    p50: LoadReport.microseconds(result.percentile(50)),
                    p99: LoadReport.microseconds(result.percentile(99)),
                    p999: LoadReport.microseconds(result.percentile(99.9)),
                    max: LoadReport.microseconds(result.latencyLongest)),
                errors: faults.errors, mismatches: faults.mismatches))
    }

    private static func microseconds(_ nanoseconds: UInt64) -> Double { Double(nanoseconds) / 1_000 }

    private struct Latency: Encodable {
        let p50, p99, p999, max: Double
    }

    private struct Document: Encodable {
        let connections, established, messages: Int
        let messagesPerSecond, bytesPerSecond: Double
        let latency: Latency
        let errors, mismatches: Int

        enum CodingKeys: String, CodingKey {
            case connections, established, messages, errors, mismatches
            case messagesPerSecond = "messages_per_second"
            case bytesPerSecond = "bytes_per_second"
            case latency = "latency_us"
        }
    }
}

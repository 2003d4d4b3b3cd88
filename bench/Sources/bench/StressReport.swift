import Foundation

/// What `iocp stress --json` prints.
struct StressReport: Decodable {
    struct Latency: Codable {
        var p50: Double
        var p99: Double
        var p999: Double
        var max: Double
    }

    var connections: Int
    var established: Int
    var messages: Int
    var messagesPerSecond: Double
    var bytesPerSecond: Double
    var latencyMicroseconds: Latency
    var errors: Int
    var mismatches: Int
    /// By turns only: how long it measured, and CPU time in microseconds.
    var seconds: Double?
    var loadCPU: Double?
    var serverCPU: Double?
    /// By turns only: pairs of a percentile and its latency in microseconds.
    var percentiles: [[Double]]?
    /// Of an open loop: how late the load itself was, and whether that is much of its latencies.
    var behindScheduleMicroseconds: Latency?
    var isGeneratorBound: Bool?
    /// Of a churn.
    var connectMicroseconds: Latency?
    /// Of a fan-out: from the sending of a frame to its last delivery.
    var frameMicroseconds: Latency?

    /// The times that its kind of load has besides the latency.
    var besides: Latency? {
        behindScheduleMicroseconds ?? connectMicroseconds ?? frameMicroseconds
    }

    enum CodingKeys: String, CodingKey {
        case connections, established, messages, errors, mismatches, seconds
        case loadCPU = "load_cpu_us"
        case serverCPU = "server_cpu_us"
        case percentiles = "latency_percentiles_us"
        case messagesPerSecond = "messages_per_second"
        case bytesPerSecond = "bytes_per_second"
        case latencyMicroseconds = "latency_us"
        case behindScheduleMicroseconds = "behind_schedule_us"
        case isGeneratorBound = "generator_bound"
        case connectMicroseconds = "connect_us"
        case frameMicroseconds = "frame_us"
    }

    init(json: String) throws {
        do {
            self = try JSONDecoder().decode(StressReport.self, from: Data(json.utf8))
        } catch {
            let start = json.isEmpty ? "nothing" : "'\(json.prefix(80))'"
            throw Failure("the load printed \(start) instead of its JSON report")
        }
    }
}

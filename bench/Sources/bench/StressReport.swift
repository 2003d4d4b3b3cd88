import Foundation

/// What `iocp stress --json` prints.
struct StressReport: Decodable {
    struct Latency: Decodable {
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

    enum CodingKeys: String, CodingKey {
        case connections, established, messages, errors, mismatches
        case messagesPerSecond = "messages_per_second"
        case bytesPerSecond = "bytes_per_second"
        case latencyMicroseconds = "latency_us"
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

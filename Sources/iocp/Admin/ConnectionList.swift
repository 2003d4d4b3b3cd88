#if Command
import IOCP

/// The answer to "connections".
struct ConnectionList: Encodable {
    struct Worker: Encodable {
        let index: Int
        /// "ok", or the name of an error.
        let result: String
        let connections: Int
        let meant: Int
        let aborted: Int
    }

    /// Of the workers that answered.
    let workers: [Worker]
    let connections: [ConnectionRow]
    /// Over which moved bytes were counted; 0: since each connection opened.
    let intervalMilliseconds: Int

    private enum CodingKeys: String, CodingKey {
        case workers, connections
        case intervalMilliseconds = "interval_ms"
    }

    init(_ call: AdminCall) throws {
        var bytes: [UInt8] = []
        while try call.read(onto: &bytes) {}
        var lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)[...]
        let head = try AdminHead(lines.popFirst() ?? "")
        guard lines.popLast() == "end" else { throw CommandFailure("the server's answer was cut off: it has ended, or stops") }
        var workers: [Worker] = [], connections: [ConnectionRow] = []
        for line in lines {
            let words = line.split(separator: " ")
            let values = AdminHead.values(words.dropFirst())
            if words.first == "worker" {
                workers.append(
                    Worker(
                        index: Int(values["index"] ?? "") ?? 0, result: (values["result"] ?? "").printable,
                        connections: Int(values["connections"] ?? "") ?? 0, meant: Int(values["meant"] ?? "") ?? 0,
                        aborted: Int(values["aborted"] ?? "") ?? 0))
            } else if words.first == "connection" {
                connections.append(ConnectionRow(values))
            }
        }
        (self.workers, self.connections) = (workers, connections)
        intervalMilliseconds = Int(head.values["interval"] ?? "") ?? 0
    }

    func lines(killed: Bool) -> [String] {
        let meant = workers.reduce(0) { $0 + $1.meant }
        let all = workers.reduce(0) { $0 + $1.connections }
        let aborted = workers.reduce(0) { $0 + $1.aborted }
        let table = TextTable(ConnectionRow.header, connections.map { $0.cells(over: intervalMilliseconds) })
        let last =
            killed
            ? "\(Figure.counted(aborted, "connection")) reset"
            : "\(connections.count) shown of \(meant) that are meant, of \(Figure.counted(all, "connection"))"
        return (connections.isEmpty ? [] : table.lines) + [last]
    }
}

/// One connection. What was not told is nil, and missing in the JSON.
struct ConnectionRow: Encodable {
    let id: String
    let worker: Int
    /// "open" or "closing", and then, each behind a comma: "stalled" (its socket is full), "held" (its receive pauses), "tls".
    let state: String
    /// "192.0.2.1:4000", or "unix".
    let peer: String?
    let local: String?
    let listener: String?
    let key: UInt64
    let ageNanoseconds: UInt64
    let idleNanoseconds: UInt64
    let receivedBytes: UInt64
    let sentBytes: UInt64
    let movedBytes: UInt64
    let unsentBytes: UInt64
    let stalledForNanoseconds: UInt64?
    let roundTripMicroseconds: UInt64?
    let roundTripVariationMicroseconds: UInt64?
    let congestionWindow: UInt64?
    let unacknowledgedSegments: UInt64?
    let lostSegments: UInt64?
    let retransmittedSegments: UInt64?
    let notSentBytes: UInt64?
    let deliveryBytesPerSecond: UInt64?

    private enum CodingKeys: String, CodingKey {
        case id, worker, state, peer, local, listener, key
        case ageNanoseconds = "age_ns"
        case idleNanoseconds = "idle_ns"
        case receivedBytes = "received_bytes"
        case sentBytes = "sent_bytes"
        case movedBytes = "moved_bytes"
        case unsentBytes = "unsent_bytes"
        case stalledForNanoseconds = "stalled_for_ns"
        case roundTripMicroseconds = "round_trip_us"
        case roundTripVariationMicroseconds = "round_trip_variation_us"
        case congestionWindow = "congestion_window_segments"
        case unacknowledgedSegments = "unacknowledged_segments"
        case lostSegments = "lost_segments"
        case retransmittedSegments = "retransmitted_segments"
        case notSentBytes = "not_sent_bytes"
        case deliveryBytesPerSecond = "delivery_bytes_per_second"
    }

    init(_ values: [String: String]) {
        func number(_ name: String) -> UInt64? { values[name].flatMap { UInt64($0) } }
        id = (values["id"] ?? "").printable
        worker = Int(values["worker"] ?? "") ?? 0
        state = (values["state"] ?? "").printable
        peer = values["peer"]?.printable
        local = values["local"]?.printable
        listener = values["listener"].map { ConnectionRow.plain($0).printable }
        key = number("key") ?? 0
        ageNanoseconds = number("age") ?? 0
        idleNanoseconds = number("idle") ?? 0
        receivedBytes = number("received") ?? 0
        sentBytes = number("sent") ?? 0
        movedBytes = number("moved") ?? 0
        unsentBytes = number("unsent") ?? 0
        stalledForNanoseconds = number("stalled_for")
        roundTripMicroseconds = number("rtt_us")
        roundTripVariationMicroseconds = number("rtt_variation_us")
        congestionWindow = number("cwnd")
        unacknowledgedSegments = number("unacknowledged")
        lostSegments = number("lost")
        retransmittedSegments = number("retransmits")
        notSentBytes = number("not_sent")
        deliveryBytesPerSecond = number("delivery_rate")
    }

    /// "%20" as a space again.
    private static func plain(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
                bytes.append(code)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    static let header = [
        "id", "peer", "listener", "state", "age", "idle", "in", "out", "bytes/s", "unsent", "stalled", "rtt", "retrans", "cwnd",
    ]

    func cells(over milliseconds: Int) -> [String] {
        let rate = milliseconds > 0 ? Figure.short(Figure.whole(Double(movedBytes) * 1e3 / Double(milliseconds)), step: 1_024) : "-"
        return [
            id, peer ?? "?", listener ?? "-", state, Figure.nanoseconds(ageNanoseconds), Figure.nanoseconds(idleNanoseconds),
            Figure.short(receivedBytes, step: 1_024), Figure.short(sentBytes, step: 1_024), rate,
            Figure.short(unsentBytes, step: 1_024), stalledForNanoseconds.map(Figure.nanoseconds) ?? "-",
            roundTripMicroseconds.map { Figure.nanoseconds(Figure.whole(Double($0) * 1e3)) } ?? "-",
            retransmittedSegments.map(String.init) ?? "-", congestionWindow.map(String.init) ?? "-",
        ]
    }
}
#endif

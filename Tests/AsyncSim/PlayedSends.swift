import CIOCPInternals
import IOCP

extension PlayedConnection {
    private var limit: Duration? { play.dice.happens(oneIn: 4) ? play.dice.time() : nil }

    /// One send, in one of the ways that there are. Nothing behind one that failed: a part of it may have been queued.
    nonisolated(nonsending) func send() async throws {
        guard !record.isSendCut, !record.hasFinished else { return }
        let limit = limit
        let bytes = fresh(play.dice.magnitude(upTo: play.dice.happens(oneIn: 4) ? 60_000 : 2000))
        switch play.dice.below(6) {
        case 0: try await sending(bytes, limit) { try await $0.send(bytes, within: limit) }
        case 1:
            let text = String(decoding: bytes.map { $0 & 0x7f }, as: UTF8.self)
            try await sending(Array(text.utf8), limit) { try await $0.send(text, within: limit) }
        case 2:
            let shared = try SharedBytes(bytes)
            try await sending(bytes, limit) { try await $0.send(shared, within: limit) }
        case 3:
            let payload = Array(bytes.prefix(255))
            try await sending([UInt8(payload.count)] + payload, limit) {
                try await $0.send(framed: payload, by: LengthPrefixed(.one), within: limit)
            }
        case 4:
            let part = Array(bytes.prefix(16_384))
            try await sending(part, limit) {
                try await $0.send(capacity: part.count, within: limit) { output throws(IOCPError) in
                    for byte in part { output.append(byte) }
                }
            }
        default:
            try await sending(bytes + bytes, limit) {
                try await $0.send(within: limit) { parts throws(IOCPError) in
                    try parts.append(bytes)
                    try parts.append(bytes)
                }
            }
        }
    }

    private func fresh(_ count: Int) -> [UInt8] {
        let stream = UInt32(truncatingIfNeeded: record.token) | 1 << 31
        return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            iocp_sim_stream_copy(stream, UInt64(record.sent.count), buffer.baseAddress!, UInt32(count))
            initialized = count
        }
    }

    private nonisolated(nonsending) func sending(
        _ bytes: [UInt8], _ limit: Duration?, _ send: nonisolated(nonsending) (AsyncConnection) async throws -> Void
    ) async throws {
        record.sent += bytes
        try await awaiting("send", limit, isSend: true) { try await send(connection) }
    }

    /// Waits until the transport took everything.
    nonisolated(nonsending) func flush() async throws {
        let count = record.sent.count
        let wasCut = record.isSendCut
        let limit = limit
        do {
            try await awaiting("flush", limit, isSend: true) { try await connection.flush(within: limit) }
        } catch {
            // A flush that ends early took nothing away.
            record.isSendCut = wasCut
            throw error
        }
        ledger.expect(wasCut || record.takenByteCount >= count, "a flush ended before all was taken", record.token)
    }

    func finishSending() throws {
        try connection.finishSending()
        record.hasFinished = true
    }
}

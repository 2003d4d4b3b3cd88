import CIOCP

/// A connection as a line of the answer to "connections": names and values, of which none has a space.
struct AdminEntry {
    let line: String

    init(_ entry: iocp_survey_entry, _ port: CompletionPort, now: UInt64) {
        var words = [
            "connection", "id=\(AdminEntry.hexadecimal(entry.connection))", "worker=\(iocp_token_worker(entry.connection))",
            "state=\(AdminEntry.state(entry))", "age=\(AdminEntry.since(entry.opened_ns, now))",
            "idle=\(AdminEntry.since(entry.received_ns, now))", "received=\(entry.received_bytes)",
            "sent=\(entry.sent_bytes)", "moved=\(entry.moved_bytes)", "unsent=\(entry.unsent_bytes)", "key=\(entry.key)",
        ]
        if entry.is_stalled { words.append("stalled_for=\(AdminEntry.since(entry.sent_ns, now))") }
        if entry.listener != 0, let listener = port.knownListeners[entry.listener] {
            words.append("listener=\(AdminEntry.escaped(listener.endpoints.map(\.description).joined(separator: ",")))")
        }
        switch entry.address_result {
        case 0: words += ["peer=\(SocketAddress(raw: entry.peer))", "local=\(SocketAddress(raw: entry.local))"]
        case -97 /* EAFNOSUPPORT */: words.append("peer=unix")
        default: break
        }
        if entry.info_result == 0 { words += AdminEntry.words(of: entry.info) }
        line = words.joined(separator: " ") + "\n"
    }

    private static func words(of info: iocp_connection_info) -> [String] {
        [
            "rtt_us=\(info.round_trip_us)", "rtt_variation_us=\(info.round_trip_variation_us)",
            "cwnd=\(info.congestion_window_segments)", "unacknowledged=\(info.unacknowledged_segments)",
            "lost=\(info.lost_segments)", "retransmits=\(info.retransmitted_segments)",
            "not_sent=\(info.not_sent_bytes)", "delivery_rate=\(info.delivery_bytes_per_second)",
        ]
    }

    private static func state(_ entry: iocp_survey_entry) -> String {
        var state = entry.is_closing ? "closing" : "open"
        if entry.is_stalled { state += ",stalled" }
        if entry.is_held_back { state += ",held" }
        if entry.is_layered { state += ",tls" }
        return state
    }

    private static func since(_ then: UInt64, _ now: UInt64) -> UInt64 { now > then ? now - then : 0 }

    static func hexadecimal(_ token: iocp_token) -> String {
        let digits = String(token, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    /// With every byte that is no plain character as %20.
    static func escaped(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            if byte > 0x20, byte < 0x7f, byte != UInt8(ascii: "%") {
                result.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                result += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
            }
        }
        return result
    }
}

#if Command
import CIOCP
import IOCP

/// Records of connections as the packets that might have carried them: each connection with a SYN of either side, its bytes, and
/// FIN or RST.
struct PacketWriter {
    private let file: CaptureFile
    private var flows: [UInt64: Flow] = [:]
    private var latest: UInt64 = 0
    /// Ports of Unix sockets, which have none.
    private var nextPort: UInt16 = 1

    private struct Flow {
        let peer: MadeUpPacket.End, local: MadeUpPacket.End
        /// Bytes of the peer, and of the server, up to now.
        var received: UInt64 = 0, sent: UInt64 = 0
    }

    /// Every stream begins here.
    private static let firstSequence: UInt32 = 1_000

    init(_ file: CaptureFile) throws {
        self.file = file
        file.append(Pcapng.start)
        try file.flush()
    }

    mutating func write(_ record: CaptureReader.Record) throws {
        latest = max(latest, record.time)
        let connection = record.header.connection
        switch record.header.kind {
        case IOCP_CAPTURE_OPENED: try open(record)
        case IOCP_CAPTURE_RECEIVED, IOCP_CAPTURE_SENT:
            guard var flow = flows[connection] else { return }
            let isInbound = record.header.kind == IOCP_CAPTURE_RECEIVED
            let end = record.header.offset &+ UInt64(record.bytes.count)
            send(flow, isInbound, [.psh, .ack], record.header.offset, record.bytes, at: record.time)
            if isInbound { flow.received = end } else { flow.sent = end }
            flows[connection] = flow
        case IOCP_CAPTURE_CLOSED:
            guard let flow = flows.removeValue(forKey: connection) else { return }
            close(flow, iocp_close_reason(UInt16(record.header.detail)), at: record.time)
        default: return  // of a later build
        }
    }

    mutating func end(_ totals: iocp_capture_totals) throws {
        file.append(Pcapng.statistics(received: totals.records, dropped: totals.dropped_records, at: latest))
    }

    private mutating func open(_ record: CaptureReader.Record) throws {
        guard record.bytes.count >= MemoryLayout<iocp_capture_ends>.size else {
            throw CommandFailure("the server's answer is no capture: use the iocp command of its build")
        }
        let ends = unsafe record.bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: iocp_capture_ends.self) }
        var flow = Flow(peer: PacketWriter.end(ends.peer), local: PacketWriter.end(ends.local))
        var comment: String?
        if ends.result != 0 {
            // A Unix socket has no address, and the packets need one.
            flow = Flow(
                peer: MadeUpPacket.End(address: [127, 0, 0, 1], port: 1_024 + nextPort),
                local: MadeUpPacket.End(address: [127, 0, 0, 1], port: 1))
            nextPort = nextPort == 64_000 ? 1 : nextPort + 1
            comment = "a connection without IP addresses, such as a Unix socket: these are made up"
        }
        flows[record.header.connection] = flow
        shake(flow, at: record.time, comment)
    }

    private static func end(_ address: iocp_address) -> MadeUpPacket.End {
        let bytes = unsafe withUnsafeBytes(of: address.bytes) { unsafe Array($0.prefix(address.family_is_v6 != 0 ? 16 : 4)) }
        return MadeUpPacket.End(address: bytes, port: UInt16(bigEndian: address.port_be))
    }

    // MARK: - Packets

    private func shake(_ flow: Flow, at time: UInt64, _ comment: String?) {
        let first = Self.firstSequence
        append(flow, true, [.syn], first, 0, [], time, comment)
        append(flow, false, [.syn, .ack], first, first + 1, [], time)
        append(flow, true, [.ack], first + 1, first + 1, [], time)
    }

    private func close(_ flow: Flow, _ reason: iocp_close_reason, at time: UInt64) {
        switch reason {
        case IOCP_CLOSE_RESET, IOCP_CLOSE_FAILED: send(flow, true, [.rst, .ack], flow.received, [], at: time)
        case IOCP_CLOSE_LOCAL, IOCP_CLOSE_STOPPED: finish(flow, peerFirst: false, at: time)
        case IOCP_CLOSE_PEER: finish(flow, peerFirst: true, at: time)
        default: send(flow, false, [.rst, .ack], flow.sent, [], at: time)
        }
    }

    private func finish(_ flow: Flow, peerFirst: Bool, at time: UInt64) {
        var flow = flow
        for isInbound in [peerFirst, !peerFirst] {
            send(flow, isInbound, [.fin, .ack], isInbound ? flow.received : flow.sent, [], at: time)
            if isInbound { flow.received += 1 } else { flow.sent += 1 }  // FIN counts as one
        }
        send(flow, peerFirst, [.ack], peerFirst ? flow.received : flow.sent, [], at: time)
    }

    private func send(
        _ flow: Flow, _ isInbound: Bool, _ flags: MadeUpPacket.Flags, _ offset: UInt64, _ bytes: ArraySlice<UInt8>,
        at time: UInt64
    ) {
        let sequence = Self.firstSequence &+ 1 &+ UInt32(truncatingIfNeeded: offset)
        let other = isInbound ? flow.sent : flow.received
        append(flow, isInbound, flags, sequence, Self.firstSequence &+ 1 &+ UInt32(truncatingIfNeeded: other), bytes, time)
    }

    private func append(
        _ flow: Flow, _ isInbound: Bool, _ flags: MadeUpPacket.Flags, _ sequence: UInt32, _ acknowledged: UInt32,
        _ bytes: ArraySlice<UInt8>, _ time: UInt64, _ comment: String? = nil
    ) {
        let packet = MadeUpPacket(
            from: isInbound ? flow.peer : flow.local, to: isInbound ? flow.local : flow.peer, sequence: sequence,
            acknowledged: acknowledged, flags: flags, bytes: bytes)
        file.append(Pcapng.packet(packet.encoded, at: time, isInbound: isInbound, comment: comment))
    }
}
#endif

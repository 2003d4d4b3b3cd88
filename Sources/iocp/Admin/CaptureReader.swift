#if Command
import CIOCP
import IOCP

/// Takes the answer to "capture" apart: a line, and then records.
struct CaptureReader {
    /// What came and was not taken apart yet.
    var pending: [UInt8] = []
    private(set) var totals: iocp_capture_totals?
    private var head: AdminHead?
    /// What was taken out of `pending`, up to here.
    private var offset = 0

    struct Record {
        let header: iocp_capture_record
        /// Since 1970, in ns.
        let time: UInt64
        let bytes: ArraySlice<UInt8>
    }

    /// nil until more came.
    mutating func next() throws -> Record? {
        guard let head = try readHead() else { return nil }
        let size = MemoryLayout<iocp_capture_record>.size
        guard totals == nil, pending.count - offset >= size else { return settle() }
        let header = unsafe pending.withUnsafeBytes {
            unsafe $0.loadUnaligned(fromByteOffset: offset, as: iocp_capture_record.self)
        }
        let length = Int(header.record_bytes)
        guard length >= size, length % 8 == 0, length <= 1 << 20, Int(header.count_bytes) <= length - size else {
            throw CommandFailure("the server's answer is no capture: use the iocp command of its build")
        }
        guard pending.count - offset >= length else { return settle() }
        let start = offset + size
        offset += length
        if header.kind == IOCP_CAPTURE_TOTALS {
            totals = try load(pending[start..<offset])
            return nil
        }
        // OPENED has no count of bytes, but the two ends behind it.
        let count = header.kind == IOCP_CAPTURE_OPENED ? length - size : Int(header.count_bytes)
        return Record(header: header, time: head.realtime(header.time_ns), bytes: pending[start..<start + count])
    }

    /// What was used up is forgotten once nothing more can be taken.
    private mutating func settle() -> Record? {
        pending.removeFirst(offset)
        offset = 0
        return nil
    }

    private mutating func readHead() throws -> AdminHead? {
        if let head { return head }
        guard let end = pending.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        let head = try AdminHead(String(decoding: pending[..<end], as: UTF8.self))
        guard head.values["record"] == "\(MemoryLayout<iocp_capture_record>.size)" else {
            throw CommandFailure("the server's records have another form: use the iocp command of its build")
        }
        offset = end + 1
        self.head = head
        return head
    }

    private func load(_ bytes: ArraySlice<UInt8>) throws -> iocp_capture_totals {
        guard bytes.count >= MemoryLayout<iocp_capture_totals>.size else {
            throw CommandFailure("the server's answer is no capture: use the iocp command of its build")
        }
        return unsafe bytes.withUnsafeBytes { unsafe $0.loadUnaligned(as: iocp_capture_totals.self) }
    }
}

extension AdminHead {
    /// A time of the server's monotonic clock as one since 1970.
    func realtime(_ monotonic: UInt64) -> UInt64 {
        let start = UInt64(values["monotonic"] ?? "") ?? 0, then = UInt64(values["realtime"] ?? "") ?? 0
        return then &+ (monotonic &- start)
    }
}
#endif

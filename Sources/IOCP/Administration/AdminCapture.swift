import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The answer to "capture": behind its first line come records (`iocp_capture_record`), the last of which has the totals.
struct AdminCapture {
    private let query: iocp_capture_query
    /// Of records; 0: no bound.
    private let bytesMax: UInt64
    private let milliseconds: UInt64

    /// How often the workers' rings are emptied.
    private static let pauseMilliseconds: Int32 = 10

    init(_ request: AdminRequest) throws(AdminRequest.Refusal) {
        var query = iocp_capture_query()
        query.filter = try request.filter()
        query.connections_max = try request.number("connections", 1...UInt32(1 << 20), otherwise: 0)
        query.snap_bytes = try request.number("snap", 1...UInt32(1 << 30), otherwise: 0)
        query.bytes_per_second = try request.number("rate", 1...UInt64(1 << 40), otherwise: 0)
        let bounds = UInt32(IOCP_CAPTURE_RING_BYTES_MIN)...UInt32(IOCP_CAPTURE_RING_BYTES_MAX)
        query.ring_bytes = try request.number("ring", bounds, otherwise: 4 << 20)
        guard query.ring_bytes.nonzeroBitCount == 1 else { throw AdminRequest.Refusal(words: "ring takes a power of two") }
        self.query = query
        bytesMax = try request.number("bytes", 1...UInt64(1 << 50), otherwise: 0)
        milliseconds = try request.number("seconds", 1...UInt64(1_000_000), otherwise: 1_000_000) * 1_000
    }

    func answer(_ channel: AdminChannel, _ desk: AdminDesk) throws(AdminRequest.Refusal) {
        let captures = try begin(desk)
        var clock = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &clock)
        let realtime = UInt64(clock.tv_sec) * 1_000_000_000 + UInt64(clock.tv_nsec)
        let start = iocp_monotonic_ns()
        let line = "ok 1 monotonic=\(start) realtime=\(realtime) record=\(MemoryLayout<iocp_capture_record>.size)\n"
        guard channel.say(line) else { return }
        guard move(captures, channel, desk, until: start + milliseconds * 1_000_000) else { return }
        _ = say(captures.reduce(into: iocp_capture_totals()) { $0.add($1.totals) }, channel)
    }

    /// The port is not kept: its release ends the answer.
    private func begin(_ desk: AdminDesk) throws(AdminRequest.Refusal) -> [WorkerCapture] {
        guard let port = desk.port else { throw .gone }
        var captures: [WorkerCapture] = []
        for worker in 0..<port.workerCount {
            if let capture = try WorkerCapture(worker, port, query) { captures.append(capture) }
        }
        return captures
    }

    /// - Returns: whether the client is still there.
    private func move(_ captures: [WorkerCapture], _ channel: AdminChannel, _ desk: AdminDesk, until deadline: UInt64) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        var left = bytesMax == 0 ? UInt64.max : bytesMax
        while true {
            let isLast = channel.isEnded(within: AdminCapture.pauseMilliseconds) || iocp_monotonic_ns() >= deadline
                || desk.port == nil || captures.allSatisfy(\.isOver)
            for capture in captures {
                // As much as the ring may have had, so that a busy worker does not keep the others waiting.
                var budget = Int(query.ring_bytes)
                while budget > 0, case let count = capture.read(into: &buffer), count > 0 {
                    guard UInt64(count) <= left else { return true }
                    guard channel.say(buffer, count) else { return false }
                    left -= UInt64(count)
                    budget -= count
                }
            }
            if isLast { return true }
        }
    }

    private func say(_ totals: iocp_capture_totals, _ channel: AdminChannel) -> Bool {
        var record = iocp_capture_record()
        record.kind = IOCP_CAPTURE_TOTALS
        record.count_bytes = UInt32(MemoryLayout<iocp_capture_totals>.size)
        record.record_bytes = UInt32(MemoryLayout<iocp_capture_record>.size) + record.count_bytes
        let bytes = unsafe withUnsafeBytes(of: record) { unsafe Array($0) } + withUnsafeBytes(of: totals) { unsafe Array($0) }
        return channel.say(bytes, bytes.count)
    }
}

extension iocp_capture_totals {
    fileprivate mutating func add(_ other: iocp_capture_totals) {
        records += other.records
        dropped_records += other.dropped_records
        dropped_bytes += other.dropped_bytes
        connections += other.connections
    }
}

/// One worker's part of a capture. Thread: one at a time.
@safe
private final class WorkerCapture {
    private let raw: OpaquePointer

    /// nil for a worker that is not open.
    init?(_ worker: Int, _ port: CompletionPort, _ query: iocp_capture_query) throws(AdminRequest.Refusal) {
        var query = query
        guard let raw = unsafe iocp_capture_create(&query) else { throw AdminRequest.Refusal(words: "out of memory") }
        unsafe self.raw = raw
        let result = unsafe iocp_port_capture(port.raw, UInt32(worker), raw)
        if result == -ENXIO || result == -ESHUTDOWN { return nil }
        guard result == 0 else {
            throw AdminRequest.Refusal(words: "worker \(worker) takes no question (\(IOCPError(code: result, operation: .post).name)): try again")
        }
    }

    deinit { unsafe iocp_capture_release(raw) }

    var isOver: Bool { unsafe iocp_capture_is_over(raw) }
    var totals: iocp_capture_totals { unsafe iocp_capture_totals_of(raw) }

    /// Whole records; 0 when there are none.
    func read(into buffer: inout [UInt8]) -> Int {
        unsafe buffer.withUnsafeMutableBytes { buffer in
            Int(unsafe iocp_capture_read(raw, buffer.baseAddress, UInt32(buffer.count)))
        }
    }
}

import CIOCPInternals
import Glibc

/// What was promised to the bodies of one play, and what came. Used on the worker's thread alone.
final class PlayLedger {
    /// One connection: what its peer sent and its body read, what the body sent and the transport took.
    final class Record {
        let token: iocp_token
        /// What its peer sends; nil while nothing named the connection.
        var stream: UInt32?
        /// How much of it, as far as the play knows.
        var streamByteCount: UInt64 = 0
        var readByteCount: UInt64 = 0
        /// A read failed within bytes that it may have taken.
        var isReadLost = false
        var sent: [UInt8] = []
        var takenByteCount = 0
        /// A send failed, so the body sends nothing more.
        var isSendCut = false
        var hasFinished = false
        /// The transport failed, or the peer reset.
        var broke = false
        var isServedByBody = false
        var awaitCount = 0
        /// Changes with every await, and with every byte that moves; and when it last did.
        var progress = (mark: UInt64.max, at: UInt64(0))
        var hasClosed = false

        init(_ token: iocp_token) { self.token = token }
    }

    private(set) var violations: [String] = []
    private(set) var records: [iocp_token: Record] = [:]
    private var byteCounts: [UInt32: UInt64] = [:]
    let seed: UInt64
    let thread = pthread_self()

    // Each is counted up where it begins and where it ends.
    var awaits = Count()
    var bodies = Count()
    var tasks = Count()
    var connections = Count()
    /// A wait of the driver failed for good.
    var collapsed = false
    var hasStopped = false
    var endings: [String: Int] = [:]
    /// Of everything that happened.
    var digest: UInt64 = 0

    struct Count {
        var begun = 0
        var ended = 0
    }

    init(seed: UInt64) { self.seed = seed }

    func violated(_ what: String, _ token: iocp_token = 0) {
        let line = "seed \(seed): \(what)" + (token == 0 ? "" : " (slot \(iocp_token_slot(token)))")
        if violations.count < 5 { violations.append(line) }
    }

    func expect(_ holds: Bool, _ what: @autoclosure () -> String, _ token: iocp_token = 0) {
        if !holds { violated(what(), token) }
    }

    func record(_ token: iocp_token) -> Record {
        if let known = records[token] { return known }
        let made = Record(token)
        records[token] = made
        return made
    }

    // MARK: - The kernel's side

    func met(_ stream: UInt32, _ byteCount: UInt64) { byteCounts[stream] = byteCount }

    func named(_ token: iocp_token, _ stream: UInt32) {
        let record = record(token)
        record.stream = stream
        record.streamByteCount = byteCounts[stream] ?? .max
    }

    func taken(_ token: iocp_token, _ bytes: UnsafeBufferPointer<UInt8>) {
        let record = record(token)
        let sent = record.sent.dropFirst(record.takenByteCount).prefix(bytes.count)
        expect(sent.elementsEqual(bytes), "the transport took other bytes than were sent", token)
        record.takenByteCount += bytes.count
    }

    /// Since when nothing of a connection has moved.
    func stillSince(_ record: Record, received: UInt64, now: UInt64) -> UInt64 {
        let mark = UInt64(record.awaitCount + record.takenByteCount) &+ received
        if mark != record.progress.mark { record.progress = (mark, now) }
        return record.progress.at
    }

    // MARK: - The bodies' side

    /// Bytes of the peer's were read: they follow on those before.
    func read(_ bytes: some Collection<UInt8>, of record: Record) {
        defer { record.readByteCount += UInt64(bytes.count) }
        guard !record.isReadLost else { return }
        guard record.stream != nil else { return violated("bytes of a connection without a name", record.token) }
        expect(
            expected(bytes.count, of: record).elementsEqual(bytes),
            "other bytes were read than the peer sent, at \(record.readByteCount)", record.token)
    }

    /// The next bytes that a read should find.
    func expected(_ count: Int, of record: Record) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            iocp_sim_stream_copy(record.stream ?? 0, record.readByteCount, buffer.baseAddress!, UInt32(count))
            initialized = count
        }
    }

    /// A read found the end of the input, and the port does not stop: then the peer has finished behind its last byte.
    func foundEnd(of record: Record) {
        guard !record.isReadLost, !record.broke, !hasStopped, !collapsed else { return }
        expect(
            record.readByteCount <= record.streamByteCount && record.streamByteCount != .max,
            "more was read than the peer sent", record.token)
    }

    func resumed() {
        expect(pthread_equal(pthread_self(), thread) != 0, "a body was resumed on another thread than its worker's")
    }

    func closed(_ token: iocp_token, _ reason: String) {
        let record = record(token)
        expect(!record.hasClosed, "a connection closed twice", token)
        record.hasClosed = true
        endings[reason, default: 0] += 1
    }
}

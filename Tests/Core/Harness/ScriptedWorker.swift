import CIOCPInternals
import Glibc

/// A worker of the core's over a driver that the test plays.
final class ScriptedWorker {
    let script: OpaquePointer
    let worker: OpaquePointer
    private var connectedSockets: UInt32 = 0

    init(
        connections: UInt32 = 16, buffers: UInt32 = 64, chunks: UInt32 = 64, wholeBuffers: Bool = false,
        index: UInt32 = 0, configure: (inout iocp_port_config) -> Void = { _ in }
    ) {
        var configuration = iocp_port_config_default()
        configuration.connections_per_worker = connections
        configuration.receive_buffer_bytes = wholeBuffers ? 16_384 : 4096
        configuration.receive_buffers_per_worker = buffers
        configuration.send_chunks_per_worker = chunks
        configuration.mailbox_entries = 16
        configure(&configuration)
        script = internals_worker_create(&configuration, index, wholeBuffers)!
        worker = internals_worker_get(script)!
    }

    deinit { internals_worker_destroy(script) }

    // MARK: - As the application

    /// One wait, by itself a poll: what was asked since the last one is flushed, then the events reported so far come.
    /// One that may sleep needs an event, since no time passes.
    func poll(capacity: Int = 64, sleepingUpTo timeout: UInt64 = 0) -> [iocp_completion] {
        [iocp_completion](unsafeUninitializedCapacity: capacity) { buffer, initialized in
            let count = iocp_worker_wait(worker, buffer.baseAddress, UInt32(capacity), timeout)
            initialized = Int(max(0, count))
        }
    }

    /// Polls until nothing more comes of itself.
    func settle() -> [iocp_completion] {
        var all: [iocp_completion] = []
        var quiet = 0
        while quiet < 3 {
            let some = poll()
            quiet = some.isEmpty ? quiet + 1 : 0
            all += some
        }
        return all
    }

    func send(_ connection: iocp_token, _ bytes: [UInt8]) -> Int32 {
        iocp_send(worker, connection, bytes, bytes.count)
    }

    /// Time passes; the worker sees it at its next wait.
    func pass(_ ns: UInt64) { internals_worker_pass(script, ns) }
    var now: UInt64 { internals_worker_now_ns(script) }

    /// From here on a wait that may sleep does: time passes by its timeout.
    func letSleep() { internals_worker_let_sleep(script) }
    var sleeps: UInt32 { internals_worker_sleep_count(script) }

    /// What sockets answer when they are asked for unacknowledged bytes, or -errno.
    func answerUnacknowledged(_ result: Int32) { internals_worker_set_unacknowledged(script, result) }
    var questions: UInt32 { internals_worker_question_count(script) }

    var unsent: UInt64 { internals_worker_unsent_bytes(script) }
    var holdings: iocp_worker_holdings { iocp_worker_hold(worker) }
    var stats: iocp_worker_stats { internals_worker_stats(script).pointee }

    /// Nothing is open, lent, queued or armed.
    var holdsNothing: Bool {
        let held = holdings
        return held.connections == 0 && held.leases == 0 && held.send_nodes == 0 && held.send_chunks == 0
            && held.deadlines == 0 && held.driver_handles == 0
    }

    // MARK: - As the driver

    struct Request {
        let call: internals_request
        let ranges: [iocp_range]
        var kind: internals_request_kind { call.kind }
        var total: Int { ranges.map(\.count_bytes).reduce(0, +) }
        var bytes: [UInt8] { SendQueue.bytes(ranges) }
    }

    /// What the worker asked of its driver since the last call.
    func requests() -> [Request] {
        var all: [Request] = []
        var call = internals_request()
        var ranges = [iocp_range](repeating: iocp_range(), count: Int(INTERNALS_SEND_RANGES_MAX))
        while internals_worker_next_request(script, &call, &ranges) {
            all.append(Request(call: call, ranges: Array(ranges.prefix(Int(call.range_count)))))
        }
        return all
    }

    func report(_ token: UInt64, _ result: Int32, more: Bool = false) {
        internals_worker_report(
            script, iocp_event(token: token, result: result, offset: 0, buffer: 0, flags: more ? Flag.more : 0))
    }

    func reportReceived(_ token: UInt64, _ bytes: [UInt8], in buffer: UInt16, at offset: Int, more: Bool, done: Bool) {
        (internals_worker_buffer(script, buffer)! + offset).update(from: bytes, count: bytes.count)
        let flags = (more ? Flag.more : 0) | Flag.buffer | (done ? Flag.done : 0)
        internals_worker_report(
            script,
            iocp_event(token: token, result: Int32(bytes.count), offset: UInt32(offset), buffer: buffer, flags: flags))
    }

    private enum Flag {
        static let more = UInt8(IOCP_EVENT_MORE.rawValue)
        static let buffer = UInt8(IOCP_EVENT_BUFFER.rawValue)
        static let done = UInt8(IOCP_EVENT_BUFFER_DONE.rawValue)
    }

    /// Ends what the worker cancels and closes. Returns the last completion once a connection was closed.
    func finishClosing() -> iocp_completion? {
        for _ in 0..<4 {
            _ = settle()
            for request in requests() {
                switch request.kind {
                case INTERNALS_REQUEST_CANCEL: report(request.call.token, -ECANCELED)
                case INTERNALS_REQUEST_CLOSE:
                    report(request.call.token, 0)
                    return settle().last
                default: break
                }
            }
        }
        return nil
    }

    /// A client connects: reports the accept of a new socket.
    func accept() -> UInt32 {
        connectedSockets += 1
        report(iocp_token_make(IOCP_OPERATION_ACCEPT, 0, 1), Int32(connectedSockets), more: true)
        return connectedSockets
    }

    /// A client connects, and is announced.
    func open() -> iocp_token {
        _ = accept()
        let opened = settle()
        precondition(opened.count == 1 && opened[0].kind == IOCP_COMPLETION_OPENED)
        return opened[0].connection
    }
}

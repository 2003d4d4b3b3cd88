import CIOCPInternals
import Glibc
import SharedHarness
import Testing

/// An application over a scripted worker: it calls at random, and holds every completion against what was promised.
final class PlayedApplication {
    struct Open {
        var received = 0
        var queued: [UInt8] = []
        var marks: [UInt64: Int] = [:] // by key: bytes queued before it
        var aborted = false
        var owedWritable = false       // reached the high mark since the last WRITABLE
        var finished = false           // no more sends
        var peerFinished = false
    }

    struct Lease {
        let connection: iocp_token
        let id: UInt16
        let bytes: UnsafePointer<UInt8>
        let copy: [UInt8]
    }

    let worker: ScriptedWorker
    let transport: PlayedTransport
    var random: Randomness
    private(set) var open: [iocp_token: Open] = [:]
    private(set) var closed: [iocp_token: Open] = [:]
    private(set) var connecting: [UInt64: iocp_token] = [:]
    private(set) var leases: [Lease] = []
    private(set) var refused = 0
    private(set) var timers: [UInt64: (timer: iocp_timer, due: UInt64, connection: iocp_token)] = [:] // by key
    private var cancelledTimers: Set<UInt64> = []
    private let configuration: iocp_port_config
    private(set) var stoppings = 0
    private(set) var posts: [UInt64] = [] // accepted, and still to come, in this order
    private let shared: Shared
    private var nextKey: UInt64 = 1

    init(_ worker: ScriptedWorker, _ transport: PlayedTransport, _ given: Randomness) {
        var random = given
        configuration = internals_worker_config(worker.script).pointee
        self.worker = worker
        self.transport = transport
        shared = Shared(random.bytes(700))
        self.random = random
        transport.queuedBytes = { [unowned self] connection in
            guard let state = open[connection], !state.aborted else { return nil }
            return state.queued.count
        }
    }

    deinit { returnLeases() }

    func returnLeases() {
        for lease in leases { giveBack(lease) }
        leases = []
    }

    // MARK: - Calls

    func act() {
        if random.happens(oneIn: 3), !leases.isEmpty { return useLease() }
        if random.happens(oneIn: 30) { return connect() }
        if random.happens(oneIn: 10) { return post() }
        if random.happens(oneIn: 10) { return time() }
        guard let connection = open.keys.sorted().randomElement(using: &random), var state = open[connection] else { return }
        switch random.below(24) {
        case 0...9:
            let bytes = random.bytes(random.magnitude(upTo: 20_000))
            if accepted(worker.send(connection, bytes), &state) { state.queued += bytes }
        case 10, 11:
            if accepted(iocp_send_shared(worker.worker, connection, shared.pointer), &state) { state.queued += shared.bytes }
        case 12...15:
            if accepted(iocp_send_notify(worker.worker, connection, nextKey), &state) { state.marks[nextKey] = state.queued.count }
            nextKey += 1
        case 16, 17: _ = iocp_receive_pause(worker.worker, connection)
        case 18, 19, 20: _ = iocp_receive_resume(worker.worker, connection)
        case 21:
            if iocp_finish_sending(worker.worker, connection) == 0 { state.finished = true }
        case 22: _ = iocp_close(worker.worker, connection)
        default:
            if random.happens(oneIn: 2), iocp_abort(worker.worker, connection) == 0 { state.aborted = true }
        }
        look(connection, &state)
        open[connection] = state
    }

    private func look(_ connection: iocp_token, _ state: inout Open) {
        let unsent = iocp_connection_unsent_bytes(worker.worker, connection)
        #expect(unsent <= state.queued.count && unsent <= configuration.send_cap_bytes)
        #expect(worker.unsent <= configuration.worker_unsent_bytes)
        if unsent >= configuration.send_high_bytes { state.owedWritable = true }
    }

    /// -ENOTCONN: closing; -EPIPE: finished; -ENOBUFS: no memory for it now; -EAGAIN: over the cap;
    /// -EMSGSIZE: over it alone.
    private func accepted(_ result: Int32, _ state: inout Open) -> Bool {
        let expected = [0, -ENOTCONN, -ENOBUFS, -EAGAIN, -EMSGSIZE].contains(result) || (result == -EPIPE && state.finished)
        #expect(expected, "a send answered \(result)")
        if result == -EAGAIN || result == -EMSGSIZE {
            state.owedWritable = true
            if configuration.overflow_policy == IOCP_OVERFLOW_CLOSE { state.aborted = true }
        }
        refused += result == 0 ? 0 : 1
        return result == 0
    }

    private func connect() {
        var address = iocp_address()
        var connection: iocp_token = 0
        switch iocp_connect(worker.worker, &address, nil, nextKey, &connection) {
        case 0: connecting[nextKey] = connection
        case -ENFILE, -ESHUTDOWN: refused += 1
        case let other: Issue.record("connect answered \(other)")
        }
        nextKey += 1
    }

    private func post() {
        switch internals_worker_post(worker.script, 0, nextKey) {
        case 0: posts.append(nextKey)
        case -EAGAIN, -ESHUTDOWN: refused += 1
        case let other: Issue.record("post answered \(other)")
        }
        nextKey += 1
    }

    private func time() {
        if random.happens(oneIn: 3), let (key, one) = timers.sorted(by: { $0.key < $1.key }).randomElement(using: &random) {
            let isPending = !cancelledTimers.contains(key)
            #expect(iocp_timer_cancel(worker.worker, one.timer) == (isPending ? 0 : -ENOENT))
            cancelledTimers.insert(key)
            return
        }
        let delay = UInt64(random.magnitude(upTo: 500_000_000))
        let connection = random.happens(oneIn: 2) ? open.keys.sorted().randomElement(using: &random) ?? 0 : 0
        var timer: iocp_timer = 0
        switch iocp_timer_start(worker.worker, connection, delay, nextKey, &timer) {
        case 0: timers[nextKey] = (timer, worker.now + delay, connection)
        case -ENOBUFS, -ESHUTDOWN: refused += 1
        case let other: Issue.record("timer_start answered \(other)")
        }
        nextKey += 1
    }

    private func useLease() {
        let lease = leases.remove(at: random.below(leases.count))
        expectUntouched(lease)
        guard random.happens(oneIn: 2), let target = open.keys.sorted().randomElement(using: &random), var state = open[target] else {
            return giveBack(lease)
        }
        let from = random.below(lease.copy.count), count = random.below(lease.copy.count - from + 1)
        let result = iocp_send_lease(worker.worker, target, lease.id, lease.bytes + from, UInt32(count))
        let isQueued = accepted(result, &state)
        if isQueued { state.queued += lease.copy[from..<from + count] } else { giveBack(lease) }
        look(target, &state)
        open[target] = state
    }

    private func giveBack(_ lease: Lease) {
        expectUntouched(lease)
        iocp_lease_return(worker.worker, lease.id)
    }

    private func expectUntouched(_ lease: Lease) {
        let same = lease.copy.withUnsafeBytes { memcmp($0.baseAddress!, lease.bytes, $0.count) == 0 }
        #expect(same, "lent bytes changed")
    }

    func closeEverything() {
        for connection in open.keys.sorted() { _ = iocp_close(worker.worker, connection) }
        for connection in connecting.values.sorted() { _ = iocp_close(worker.worker, connection) }
    }

    // MARK: - Completions

    func take(_ completions: [iocp_completion]) {
        for completion in completions { take(completion) }
    }

    private func take(_ completion: iocp_completion) {
        let connection = completion.connection
        if completion.kind == IOCP_COMPLETION_OPENED {
            #expect(open[connection] == nil && closed[connection] == nil, "opened twice")
            if let pending = connecting.removeValue(forKey: completion.key) { #expect(pending == connection) }
            open[connection] = Open()
            return
        }
        if completion.kind == IOCP_COMPLETION_CONNECT_FAILED {
            #expect(connecting.removeValue(forKey: completion.key) == connection, "a connect ended twice")
            return
        }
        if completion.kind == IOCP_COMPLETION_POSTED {
            #expect(posts.first == completion.key, "a post was lost, came twice or overtook another")
            posts.removeAll { $0 == completion.key }
            return
        }
        if completion.kind == IOCP_COMPLETION_TIMER { return timer(completion) }
        if completion.kind == IOCP_COMPLETION_STOPPING {
            stoppings += 1
            #expect(posts.isEmpty, "STOPPING overtook a post")
            return
        }
        guard var state = open[connection] else {
            Issue.record("\(completion.kind) after CLOSED, or before OPENED")
            return
        }
        switch completion.kind {
        case IOCP_COMPLETION_RECEIVED: receive(completion, &state)
        case IOCP_COMPLETION_SENT: expectSent(completion, &state)
        case IOCP_COMPLETION_WRITABLE:
            #expect(state.owedWritable, "WRITABLE came unasked")
            state.owedWritable = false
        case IOCP_COMPLETION_PEER_FINISHED:
            #expect(!state.peerFinished)
            state.peerFinished = true
        case IOCP_COMPLETION_CLOSED:
            expectClosed(connection, state)
            open[connection] = nil
            closed[connection] = state
            return
        default: Issue.record("\(completion.kind) was not asked for")
        }
        open[connection] = state
    }

    private func timer(_ completion: iocp_completion) {
        guard let one = timers.removeValue(forKey: completion.key) else {
            Issue.record("a timer ended twice")
            return
        }
        if cancelledTimers.remove(completion.key) != nil {
            #expect(completion.result == -ECANCELED)
        } else if completion.result == 0 {
            #expect(worker.now >= one.due, "a timer was early")
            #expect(completion.connection == one.connection)
        } else { // its connection closed, or the worker stops
            #expect(completion.result == -ECANCELED)
        }
        if completion.connection != 0 { #expect(open[completion.connection] != nil) }
    }

    private func receive(_ completion: iocp_completion, _ state: inout Open) {
        #expect(!state.peerFinished && completion.result > 0)
        let count = Int(completion.result)
        let bytes = Array(UnsafeBufferPointer(start: completion.bytes, count: count))
        let expected = PlayedTransport.pattern(completion.connection, from: state.received, count: count)
        #expect(bytes.elementsEqual(expected), "received bytes are another's, or out of order")
        state.received += count
        leases.append(Lease(connection: completion.connection, id: completion.detail, bytes: completion.bytes, copy: bytes))
    }

    private func expectSent(_ completion: iocp_completion, _ state: inout Open) {
        guard let before = state.marks.removeValue(forKey: completion.key) else {
            Issue.record("SENT came twice, or was not asked for")
            return
        }
        let taken = transport.streams[completion.connection, default: .init()].taken.count
        if completion.result == 0 { #expect(taken >= before, "SENT came before its bytes left") }
    }

    private func expectClosed(_ connection: iocp_token, _ state: Open) {
        #expect(state.marks.isEmpty, "CLOSED came before SENT")
        let taken = transport.streams[connection, default: .init()].taken
        #expect(taken.count <= state.queued.count)
        #expect(taken == Array(state.queued.prefix(taken.count)), "other bytes left than were queued")
        #expect(state.received <= transport.streams[connection, default: .init()].delivered)
    }
}

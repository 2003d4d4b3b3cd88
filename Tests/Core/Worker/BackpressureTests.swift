import CIOCPInternals
import Glibc
import Testing

/// Unsent bytes have a low mark, a high mark and a cap per connection, and a bound per worker.
@Suite struct BackpressureTests {
    private func make(
        low: UInt32 = 100, high: UInt32 = 1000, cap: UInt32 = 2000, worker: UInt64 = 1 << 30,
        policy: iocp_overflow_policy = IOCP_OVERFLOW_REFUSE
    ) -> ScriptedWorker {
        ScriptedWorker {
            $0.send_low_bytes = low
            $0.send_high_bytes = high
            $0.send_cap_bytes = cap
            $0.worker_unsent_bytes = worker
            $0.overflow_policy = policy
        }
    }

    private func bytes(_ count: Int) -> [UInt8] { [UInt8](repeating: 7, count: count) }

    /// Ends the send in flight, which took `count` bytes. Returns what came of it.
    private func took(_ worker: ScriptedWorker, _ connection: iocp_token, _ count: Int32) -> [iocp_completion] {
        worker.report(iocp_token_with(connection, IOCP_OPERATION_SEND), count)
        return worker.settle()
    }

    @Test func atTheHighMarkReceivingPausesUntilTheLowOne() {
        let worker = make()
        let connection = worker.open()
        _ = worker.requests()
        #expect(worker.send(connection, bytes(1000)) == 0)
        _ = worker.settle()
        #expect(worker.requests().map(\.kind) == [INTERNALS_REQUEST_CANCEL, INTERNALS_REQUEST_SEND])
        worker.report(iocp_token_with(connection, IOCP_OPERATION_RECEIVE), -ECANCELED)
        #expect(took(worker, connection, 899).isEmpty) // 101 are left
        #expect(worker.requests().map(\.kind) == [INTERNALS_REQUEST_SEND])
        #expect(took(worker, connection, 1).map(\.kind) == [IOCP_COMPLETION_WRITABLE])
        #expect(worker.requests().map(\.kind) == [INTERNALS_REQUEST_RECEIVE, INTERNALS_REQUEST_SEND])
        #expect(took(worker, connection, 100).isEmpty) // writable is said once
        #expect(worker.unsent == 0)
    }

    @Test func belowTheHighMarkNothingIsSaid() {
        let worker = make()
        let connection = worker.open()
        _ = worker.requests()
        #expect(worker.send(connection, bytes(999)) == 0)
        _ = worker.settle()
        #expect(worker.requests().map(\.kind) == [INTERNALS_REQUEST_SEND])
        #expect(took(worker, connection, 999).isEmpty)
    }

    @Test func theCapRefusesWholeSends() {
        let worker = make()
        let connection = worker.open()
        #expect(worker.send(connection, bytes(2000)) == 0)
        #expect(worker.send(connection, bytes(1)) == -EAGAIN)
        let shared = Shared([1])
        #expect(iocp_send_shared(worker.worker, connection, shared.pointer) == -EAGAIN)
        #expect(iocp_send_notify(worker.worker, connection, 1) == 0) // has no bytes
        #expect(iocp_connection_unsent_bytes(worker.worker, connection) == 2000 && worker.unsent == 2000)
        #expect(worker.stats.refused_sends == 2)
        _ = worker.settle()
        #expect(took(worker, connection, 2000).map(\.kind) == [IOCP_COMPLETION_SENT, IOCP_COMPLETION_WRITABLE])
        #expect(worker.send(connection, bytes(2001)) == -EMSGSIZE) // trying again would never end
        #expect(worker.send(connection, bytes(2000)) == 0)
    }

    @Test func theCapClosesWhereThatIsThePolicy() {
        let worker = make(policy: IOCP_OVERFLOW_CLOSE)
        let connection = worker.open()
        #expect(worker.send(connection, bytes(1500)) == 0)
        #expect(worker.send(connection, bytes(501)) == -EAGAIN)
        #expect(worker.send(connection, bytes(1)) == -ENOTCONN)
        _ = worker.settle()
        worker.report(iocp_token_with(connection, IOCP_OPERATION_RECEIVE), -ECANCELED)
        _ = worker.settle()
        worker.report(iocp_token_with(connection, IOCP_OPERATION_CLOSE), 0)
        let closed = worker.settle()
        #expect(closed.map(\.kind) == [IOCP_COMPLETION_CLOSED])
        #expect(closed.first?.detail == IOCP_CLOSE_SEND_OVERFLOW.rawValue)
        #expect(worker.unsent == 0 && worker.holdsNothing)
    }

    /// A refused sender waits for WRITABLE. It must come, wherever the refusal was.
    @Test func aRefusalBelowTheHighMarkIsFollowedByWritable() {
        let worker = make(low: 100, high: 1000, cap: 1000)
        let connection = worker.open()
        #expect(worker.send(connection, bytes(600)) == 0)
        #expect(worker.send(connection, bytes(500)) == -EAGAIN)
        _ = worker.settle()
        #expect(took(worker, connection, 600).map(\.kind) == [IOCP_COMPLETION_WRITABLE])
    }

    @Test func theWorkersBoundHoldsOverAllItsConnections() {
        let worker = make(worker: 3000)
        let connections = (0..<3).map { _ in worker.open() }
        #expect(worker.send(connections[0], bytes(2000)) == 0)
        #expect(worker.send(connections[1], bytes(900)) == 0)
        #expect(worker.send(connections[2], bytes(101)) == -ENOBUFS)
        #expect(worker.send(connections[2], bytes(100)) == 0)
        #expect(worker.unsent == 3000)
        // Sends that nobody waits for would count as taken at once.
        for connection in connections { #expect(iocp_send_notify(worker.worker, connection, 1) == 0) }
        _ = worker.settle()
        _ = took(worker, connections[0], 500)
        #expect(worker.unsent == 2500)
        #expect(worker.send(connections[2], bytes(500)) == 0)
        // What an aborted connection still had is nobody's any more.
        #expect(iocp_abort(worker.worker, connections[0]) == 0)
        _ = worker.settle()
        for operation in [IOCP_OPERATION_RECEIVE, IOCP_OPERATION_SEND] {
            worker.report(iocp_token_with(connections[0], operation), -ECANCELED)
        }
        _ = worker.settle()
        #expect(worker.unsent == 1500)
    }

    /// A connection whose send took `taken` bytes of what was queued.
    private func stall(_ worker: ScriptedWorker, _ connection: iocp_token, after taken: Int32) {
        _ = worker.settle()
        _ = took(worker, connection, taken)
    }

    /// A quarter of the chunks is not for those that wait: a few stalled peers would have all others refused.
    @Test func stalledConnectionsLeaveTheReserveOfChunks() {
        let chunk = Int(IOCP_SEND_CHUNK_BYTES)
        let worker = ScriptedWorker(chunks: 16) { $0.overflow_policy = IOCP_OVERFLOW_REFUSE }
        let stalled = worker.open(), live = worker.open()
        #expect(worker.send(stalled, bytes(10 * chunk)) == 0)
        stall(worker, stalled, after: 1)
        while worker.send(stalled, bytes(chunk)) == 0 {}
        #expect(worker.send(live, bytes(5 * chunk)) == -ENOBUFS) // much, like what waits
        for _ in 0..<20 {
            #expect(worker.send(live, bytes(chunk)) == 0)
            _ = worker.settle()
            _ = took(worker, live, Int32(chunk))
        }
    }

    @Test func stalledConnectionsLeaveTheReserveOfTheWorkersBound() {
        let worker = make(high: 3000, cap: 4000, worker: 4000)
        let stalled = worker.open(), live = worker.open()
        #expect(worker.send(stalled, bytes(2000)) == 0)
        stall(worker, stalled, after: 1)
        #expect(worker.send(stalled, bytes(1002)) == -ENOBUFS)
        #expect(worker.send(stalled, bytes(1001)) == 0)
        #expect(worker.send(live, bytes(1000)) == 0)
    }

    /// Pieces cost nodes, however small they are.
    @Test func stalledConnectionsLeaveTheReserveOfNodes() {
        let worker = ScriptedWorker(chunks: 4) { $0.overflow_policy = IOCP_OVERFLOW_REFUSE }
        let stalled = (0..<15).map { _ in worker.open() }
        let live = worker.open()
        let shared = Shared([1])
        for connection in stalled { while iocp_send_shared(worker.worker, connection, shared.pointer) == 0 {} }
        for _ in 0..<2 { #expect(iocp_send_shared(worker.worker, live, shared.pointer) == 0) }
    }

    /// Received bytes that wait behind a full socket would keep their buffers from everybody.
    @Test func receivedBytesThatCannotWaitEndTheirConnection() throws {
        let worker = ScriptedWorker(buffers: 2, chunks: 4) { $0.overflow_policy = IOCP_OVERFLOW_REFUSE }
        let hogs = (0..<2).map { _ in worker.open() }
        for hog in hogs { while worker.send(hog, bytes(Int(IOCP_SEND_CHUNK_BYTES))) == 0 {} }
        let echo = worker.open()
        let token = iocp_token_with(echo, IOCP_OPERATION_RECEIVE)
        let message = bytes(100)
        worker.reportReceived(token, message, in: 0, at: 0, more: true, done: true)
        let received = try #require(worker.settle().first)
        #expect(iocp_send_lease(worker.worker, echo, received.detail, received.bytes, 100) == 0)
        stall(worker, echo, after: 1)
        _ = worker.settle()
        worker.report(token, -ECANCELED)
        _ = worker.settle()
        worker.report(iocp_token_with(echo, IOCP_OPERATION_CLOSE), 0)
        let closed = worker.settle()
        #expect(closed.map(\.kind) == [IOCP_COMPLETION_CLOSED])
        #expect(closed.first?.detail == IOCP_CLOSE_SEND_OVERFLOW.rawValue)
        #expect(worker.holdings.leases == 0)
    }
}

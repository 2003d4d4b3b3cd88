import CIOCPInternals
import Glibc
import Testing

/// A send for whose end nobody waits is silent: the driver need not end a sleep to tell of its success.
@Suite struct SilentSendTests {
    private static let silent = IOCP_SEND_SILENT
    private static let now = IOCP_SEND_NOW

    private func mode(_ worker: ScriptedWorker) -> iocp_send_mode? {
        _ = worker.poll()
        return worker.requests().last { $0.kind == INTERNALS_REQUEST_SEND }?.call.mode
    }

    private func sendToken(_ connection: iocp_token) -> UInt64 { iocp_token_with(connection, IOCP_OPERATION_SEND) }

    private func bytes(_ count: Int) -> [UInt8] { [UInt8](repeating: 7, count: count) }

    @Test func aReplyIsSilent() {
        let worker = ScriptedWorker()
        let connection = worker.open()
        #expect(worker.send(connection, bytes(64)) == 0)
        #expect(mode(worker) == Self.silent)
    }

    @Test func oneWithANotificationIsNot() {
        let worker = ScriptedWorker()
        let connection = worker.open()
        #expect(worker.send(connection, bytes(64)) == 0)
        #expect(iocp_send_notify(worker.worker, connection, 1) == 0)
        #expect(mode(worker) == Self.now)
    }

    @Test func oneBeforeAFINIsNot() {
        let worker = ScriptedWorker()
        let connections = [worker.open(), worker.open()]
        #expect(worker.send(connections[0], bytes(64)) == 0)
        #expect(iocp_finish_sending(worker.worker, connections[0]) == 0)
        #expect(mode(worker) == Self.now)
        #expect(worker.send(connections[1], bytes(64)) == 0)
        #expect(iocp_close(worker.worker, connections[1]) == 0)
        #expect(mode(worker) == Self.now)
    }

    @Test func oneAtTheHighMarkIsNot() {
        let worker = ScriptedWorker {
            $0.send_low_bytes = 100
            $0.send_high_bytes = 1000
        }
        let connection = worker.open()
        #expect(worker.send(connection, bytes(1000)) == 0)
        #expect(mode(worker) == Self.now)
    }

    @Test func oneThatLeavesSomethingQueuedIsNot() {
        let worker = ScriptedWorker()
        let connection = worker.open()
        let shared = Shared(bytes(3))
        for _ in 0...IOCP_SEND_RANGES_MAX { #expect(iocp_send_shared(worker.worker, connection, shared.pointer) == 0) }
        #expect(mode(worker) == Self.now)
        worker.report(sendToken(connection), 3 * Int32(IOCP_SEND_RANGES_MAX))
        _ = worker.poll()
        #expect(mode(worker) == Self.silent)
    }

    @Test func oneThatFoundNoRoomWaitsForIt() {
        let worker = ScriptedWorker()
        let connection = worker.open()
        #expect(worker.send(connection, bytes(64)) == 0)
        #expect(mode(worker) == Self.silent)
        worker.report(sendToken(connection), 10)
        _ = worker.poll()
        #expect(mode(worker) == IOCP_SEND_WAIT)
    }

    /// What the send gives back at its end, a receive waits for.
    @Test func noneIsWhileAReceiveWaitsForABuffer() {
        let worker = ScriptedWorker(buffers: 2)
        let connections = [worker.open(), worker.open(), worker.open()]
        _ = worker.requests()
        for (at, connection) in connections.prefix(2).enumerated() {
            worker.reportReceived(
                iocp_token_with(connection, IOCP_OPERATION_RECEIVE), [1], in: UInt16(at), at: 0, more: true, done: true)
        }
        let received = worker.poll()
        #expect(received.map(\.kind) == [IOCP_COMPLETION_RECEIVED, IOCP_COMPLETION_RECEIVED])
        worker.report(iocp_token_with(connections[2], IOCP_OPERATION_RECEIVE), -ENOBUFS)
        _ = worker.poll()
        #expect(worker.stats.starved_receives == 1)
        #expect(worker.send(connections[0], bytes(64)) == 0)
        #expect(mode(worker) == Self.now)
        for completion in received { iocp_lease_return(worker.worker, completion.detail) }
        _ = worker.poll()
        #expect(worker.send(connections[1], bytes(64)) == 0)
        #expect(mode(worker) == Self.silent)
    }

    /// The stats page is read while the worker sleeps, and the send's end may come after that.
    @Test func itCountsAsTakenUntilItsEndSaysOtherwise() {
        let worker = ScriptedWorker()
        let connection = worker.open()
        #expect(worker.send(connection, bytes(64)) == 0)
        #expect(worker.unsent == 64)
        _ = worker.poll()
        #expect(worker.unsent == 0 && worker.stats.unsent_bytes == 0)
        #expect(worker.stats.sent_bytes == 64 && worker.stats.sent_operations == 1)
        // Of the connection itself only what is known is told.
        #expect(counted(worker, connection) == 0 && iocp_connection_unsent_bytes(worker.worker, connection) == 64)

        worker.report(sendToken(connection), 10)
        _ = worker.poll()
        #expect(worker.unsent == 54 && counted(worker, connection) == 10)
        #expect(worker.stats.sent_bytes == 10 && worker.stats.sent_operations == 1 && worker.stats.short_sends == 1)

        worker.report(sendToken(connection), 54)
        _ = worker.poll()
        #expect(worker.unsent == 0 && counted(worker, connection) == 64)
        #expect(worker.stats.sent_bytes == 64 && worker.stats.sent_operations == 2)
    }

    @Test func oneThatFailsHasTakenNothing() {
        let worker = ScriptedWorker()
        let connection = worker.open()
        #expect(worker.send(connection, bytes(64)) == 0)
        #expect(mode(worker) == Self.silent)
        worker.report(sendToken(connection), -ECONNRESET)
        _ = worker.poll()
        #expect(worker.stats.sent_bytes == 0)
        worker.report(iocp_token_with(connection, IOCP_OPERATION_RECEIVE), -ECANCELED)
        _ = worker.settle()
        worker.report(iocp_token_with(connection, IOCP_OPERATION_CLOSE), 0)
        #expect(worker.settle().map(\.kind) == [IOCP_COMPLETION_CLOSED])
        #expect(worker.unsent == 0 && worker.holdsNothing)
    }

    private func counted(_ worker: ScriptedWorker, _ connection: iocp_token) -> UInt64 {
        var counters = iocp_connection_counters()
        #expect(iocp_connection_counters_get(worker.worker, connection, &counters) == 0)
        return counters.sent_bytes
    }
}

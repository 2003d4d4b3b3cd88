import CIOCPInternals
import Glibc
import Testing

/// Receives that find no buffer, are paused, or move to larger buffers.
@Suite struct ReceivingTests {
    private func receives(_ worker: ScriptedWorker) -> [iocp_token] { receives(worker.requests()) }

    private func receives(_ requests: [ScriptedWorker.Request]) -> [iocp_token] {
        requests.filter { $0.kind == INTERNALS_REQUEST_RECEIVE }.map {
            iocp_token_connection($0.call.token, 0)
        }
    }

    private func provided(_ requests: [ScriptedWorker.Request]) -> [UInt16] {
        requests.filter { $0.kind == INTERNALS_REQUEST_PROVIDE }.map(\.call.buffer)
    }

    /// One connection receives into every buffer and keeps them. Returns what it received.
    private func lendEveryBuffer(_ worker: ScriptedWorker, to connection: iocp_token, _ bytes: [UInt8] = [1])
        -> [iocp_completion]
    {
        for buffer in provided(worker.requests()) {
            worker.reportReceived(receiveToken(connection), bytes, in: buffer, at: 0, more: true, done: true)
        }
        return worker.settle()
    }

    private func receiveToken(_ connection: iocp_token) -> UInt64 { iocp_token_with(connection, IOCP_OPERATION_RECEIVE) }

    @Test func aReceiveWithoutABufferIsNoDisconnect() {
        let worker = ScriptedWorker()
        let connection = worker.open()
        #expect(receives(worker) == [connection])
        worker.report(receiveToken(connection), -ENOBUFS)
        #expect(worker.settle().isEmpty)
        #expect(receives(worker) == [connection]) // buffers are there: tried again
        #expect(worker.stats.starved_receives == 1)
        #expect(worker.holdings.connections == 1)
    }

    /// With every buffer lent, nobody is asked again until one returns; then in the order in which they ran dry.
    @Test func starvedConnectionsWaitForABufferInTheirOrder() {
        let worker = ScriptedWorker(buffers: 2)
        let connections = (0..<4).map { _ in worker.open() }
        let received = lendEveryBuffer(worker, to: connections[0], [1, 2, 3])
        #expect(received.map(\.kind) == [IOCP_COMPLETION_RECEIVED, IOCP_COMPLETION_RECEIVED])
        for at in [2, 0, 3, 1] { worker.report(receiveToken(connections[at]), -ENOBUFS) }
        #expect(worker.settle().isEmpty)
        #expect(receives(worker).isEmpty)
        iocp_lease_return(worker.worker, received[0].detail)
        #expect(worker.settle().isEmpty)
        #expect(receives(worker) == [2, 0, 3, 1].map { connections[$0] })
        iocp_lease_return(worker.worker, received[1].detail)
    }

    /// Whichever receive comes first takes every buffer, and runs dry before those that found none: each has its turn.
    @Test func whoTriesInVainComesBeforeWhoTookTheBuffers() throws {
        let worker = ScriptedWorker(buffers: 4)
        let connections = (0..<10).map { _ in worker.open() }
        var buffers = provided(worker.requests())
        var trying = connections
        var turns: [iocp_token] = []
        while turns.count < 40 {
            try #require(buffers.count == 4 && trying.count > 1)
            for buffer in buffers {
                let full = [UInt8](repeating: 1, count: 4096)
                worker.reportReceived(receiveToken(trying[0]), full, in: buffer, at: 0, more: true, done: true)
            }
            for connection in trying { worker.report(receiveToken(connection), -ENOBUFS) }
            turns.append(trying[0])
            for completion in worker.settle() { iocp_lease_return(worker.worker, completion.detail) }
            #expect(worker.settle().isEmpty)
            let requests = worker.requests()
            buffers = provided(requests)
            trying = receives(requests)
        }
        // From when each has found nothing once.
        #expect(Array(turns.dropFirst()) == (0..<39).map { connections[$0 % 10] })
    }

    /// One flush asks for no more than the completion queue holds, and no wait sleeps while others could have buffers.
    @Test func manyStarvedTryAgainInPortionsWithoutASleep() {
        let worker = ScriptedWorker(connections: 64, buffers: 2) { $0.completion_queue_entries = 64 }
        let connections = (0..<40).map { _ in worker.open() }
        let received = lendEveryBuffer(worker, to: connections[0])
        for connection in connections { worker.report(receiveToken(connection), -ENOBUFS) }
        #expect(worker.settle().isEmpty && receives(worker).isEmpty)

        for completion in received { iocp_lease_return(worker.worker, completion.detail) }
        var again: [iocp_token] = []
        for isLeft in [true, true, false] {
            _ = worker.accept() // so that the wait has something to hand out
            #expect(worker.poll(sleepingUpTo: 1_000_000_000).map(\.kind) == [IOCP_COMPLETION_OPENED])
            #expect((internals_worker_wait_ns(worker.script) == 0) == isLeft)
            again += receives(worker).filter(connections.contains)
        }
        #expect(again == connections)
    }

    @Test func aStarvedConnectionThatClosesLeavesTheQueue() {
        let worker = ScriptedWorker(buffers: 2)
        let connections = (0..<3).map { _ in worker.open() }
        let received = lendEveryBuffer(worker, to: connections[0])
        for connection in connections { worker.report(receiveToken(connection), -ENOBUFS) }
        _ = worker.settle()
        #expect(iocp_abort(worker.worker, connections[1]) == 0)
        _ = worker.settle()
        let closes = worker.requests().filter { $0.kind == INTERNALS_REQUEST_CLOSE }
        #expect(closes.count == 1)
        worker.report(closes[0].call.token, 0)
        #expect(worker.settle().map(\.connection) == [connections[1]])
        for completion in received { iocp_lease_return(worker.worker, completion.detail) }
        _ = worker.settle()
        #expect(receives(worker) == [connections[0], connections[2]])
    }

    @Test func pausingCancelsAndResumingAsksAgain() {
        let worker = ScriptedWorker()
        let connection = worker.open()
        _ = worker.requests()
        #expect(iocp_receive_pause(worker.worker, connection) == 0)
        _ = worker.settle()
        #expect(worker.requests().map(\.kind) == [INTERNALS_REQUEST_CANCEL])
        #expect(iocp_receive_resume(worker.worker, connection) == 0) // before the cancel took effect
        _ = worker.settle()
        #expect(worker.requests().isEmpty)
        worker.report(receiveToken(connection), -ECANCELED)
        _ = worker.settle()
        #expect(receives(worker) == [connection])
        #expect(iocp_receive_pause(worker.worker, connection) == 0)
        _ = worker.settle()
        worker.report(receiveToken(connection), -ECANCELED)
        _ = worker.settle()
        #expect(receives(worker).isEmpty)
    }

    @Test func aConnectionThatFillsSmallBuffersMovesToLargeOnes() {
        let worker = ScriptedWorker(wholeBuffers: true)
        let connection = worker.open()
        let first = worker.requests()
        #expect(first.filter { $0.kind == INTERNALS_REQUEST_RECEIVE }.map(\.call.class) == [IOCP_BUFFER_SMALL])
        let small = first.last { $0.kind == INTERNALS_REQUEST_PROVIDE }!.call.buffer
        worker.reportReceived(
            receiveToken(connection), [UInt8](repeating: 1, count: 4096), in: small, at: 0, more: true, done: true)
        let received = worker.settle()
        #expect(received.map(\.result) == [4096])
        #expect(worker.requests().contains { $0.kind == INTERNALS_REQUEST_CANCEL })
        worker.report(receiveToken(connection), -ECANCELED)
        _ = worker.settle()
        #expect(worker.requests().filter { $0.kind == INTERNALS_REQUEST_RECEIVE }.map(\.call.class) == [IOCP_BUFFER_LARGE])
        iocp_lease_return(worker.worker, received[0].detail)
    }

    /// The largest number of large buffers leaves ids for small ones: connections must not wait for what is not there.
    @Test func receivesAskForBuffersThatExist() {
        let worker = ScriptedWorker(buffers: 16_384, wholeBuffers: true)
        _ = worker.open()
        let asked = worker.requests().filter { $0.kind == INTERNALS_REQUEST_RECEIVE }.map(\.call.class)
        #expect(asked.count == 1)
        #expect(asked.allSatisfy { internals_worker_buffer_count(worker.script, $0) > 0 })
    }

    @Test func peerFinishedComesOnceAndSendingGoesOn() {
        let worker = ScriptedWorker { $0.half_close = true }
        let connection = worker.open()
        _ = worker.requests()
        worker.report(receiveToken(connection), 0)
        #expect(worker.settle().map(\.kind) == [IOCP_COMPLETION_PEER_FINISHED])
        #expect(worker.send(connection, [1, 2]) == 0)
        _ = worker.settle()
        let requests = worker.requests()
        #expect(requests.map(\.kind) == [INTERNALS_REQUEST_SEND])
        #expect(requests.first?.bytes == [1, 2])
    }
}

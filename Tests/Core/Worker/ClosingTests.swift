import CIOCPInternals
import Glibc
import Testing

/// How a connection ends, event by event, whatever order they come in (guarantees G3 and G7).
@Suite struct ClosingTests {
    /// Answers everything that is still asked as a well-behaved driver would, until nothing is: what was cancelled ends
    /// cancelled, what closes closes.
    private func finish(_ worker: ScriptedWorker) -> [iocp_completion] {
        var completions = worker.settle()
        while true {
            let requests = worker.requests()
            if requests.isEmpty { return completions }
            for request in requests {
                switch request.kind {
                case INTERNALS_REQUEST_CANCEL: worker.report(request.call.token, -ECANCELED)
                case INTERNALS_REQUEST_CLOSE, INTERNALS_REQUEST_SHUTDOWN: worker.report(request.call.token, 0)
                default: break
                }
            }
            completions += worker.settle()
        }
    }

    private func token(_ connection: iocp_token, _ operation: iocp_operation) -> UInt64 {
        iocp_token_with(connection, operation)
    }

    @Test func aPeerThatResetsClosesOnce() {
        let worker = ScriptedWorker()
        let connection = worker.open()
        _ = worker.requests()
        worker.report(token(connection, IOCP_OPERATION_RECEIVE), -ECONNRESET)
        let completions = finish(worker)
        #expect(completions.map(\.kind) == [IOCP_COMPLETION_CLOSED])
        #expect(completions.last?.detail == IOCP_CLOSE_RESET.rawValue && completions.last?.result == -ECONNRESET)
        #expect(worker.holdsNothing)
    }

    /// The reset ends a receive and a send. Their events come together, or in two batches, in either order.
    @Test(arguments: [true, false], [true, false])
    func aResetThatEndsReceiveAndSendClosesOnce(receiveFirst: Bool, together: Bool) {
        let worker = ScriptedWorker()
        let connection = worker.open()
        #expect(worker.send(connection, [1, 2, 3]) == 0)
        #expect(worker.settle().isEmpty)
        #expect(worker.requests().contains { $0.kind == INTERNALS_REQUEST_SEND })
        let events: [(iocp_operation, Int32)] = [(IOCP_OPERATION_RECEIVE, -ECONNRESET), (IOCP_OPERATION_SEND, -EPIPE)]
        var completions: [iocp_completion] = []
        for (operation, result) in receiveFirst ? events : events.reversed() {
            worker.report(token(connection, operation), result)
            if !together { completions += worker.settle() }
        }
        // What was cancelled in between ended by itself: a cancel finds nothing, and has no event.
        completions += worker.settle()
        for request in worker.requests() where request.kind == INTERNALS_REQUEST_CLOSE {
            worker.report(request.call.token, 0)
        }
        completions += worker.settle()
        func expectClosed() {
            #expect(completions.map(\.kind) == [IOCP_COMPLETION_CLOSED])
            #expect(worker.holdsNothing)
        }
        expectClosed()
    }

    /// An abort cancels the send in flight; the peer's reset is faster than the cancel.
    @Test func anAbortWhoseSendFailsMeanwhileClosesOnce() {
        let worker = ScriptedWorker()
        let connection = worker.open()
        #expect(worker.send(connection, [1, 2, 3]) == 0)
        #expect(iocp_send_notify(worker.worker, connection, 9) == 0)
        _ = worker.settle()
        #expect(iocp_abort(worker.worker, connection) == 0)
        _ = worker.settle()
        #expect(worker.requests().filter { $0.kind == INTERNALS_REQUEST_CANCEL }.count == 2)
        worker.report(token(connection, IOCP_OPERATION_RECEIVE), -ECANCELED)
        _ = worker.settle()
        worker.report(token(connection, IOCP_OPERATION_SEND), -ECONNRESET)
        let completions = finish(worker)
        #expect(completions.map(\.kind) == [IOCP_COMPLETION_SENT, IOCP_COMPLETION_CLOSED])
        #expect(worker.holdsNothing)
    }

    @Test func aConnectGivenUpFailsWithAnError() throws {
        let worker = ScriptedWorker()
        var address = iocp_address()
        var connection: iocp_token = 0
        #expect(iocp_connect(worker.worker, &address, nil, 42, &connection) == 0)
        #expect(iocp_close(worker.worker, connection) == 0)
        let completions = finish(worker)
        #expect(completions.map(\.kind) == [IOCP_COMPLETION_CONNECT_FAILED])
        let failed = try #require(completions.first)
        #expect(failed.key == 42)
        #expect(failed.result < 0)
        #expect(worker.holdsNothing)
    }

    @Test func aRefusedConnectFailsWithItsError() throws {
        let worker = ScriptedWorker()
        var address = iocp_address()
        var connection: iocp_token = 0
        #expect(iocp_connect(worker.worker, &address, nil, 42, &connection) == 0)
        worker.report(token(connection, IOCP_OPERATION_CONNECT), -ECONNREFUSED)
        let completions = finish(worker)
        #expect(completions.map(\.kind) == [IOCP_COMPLETION_CONNECT_FAILED])
        #expect(completions.first?.result == -ECONNREFUSED && completions.first?.key == 42)
        #expect(worker.holdsNothing)
    }

    @Test func aConnectThatWasAnsweredInTimeDoesNotTimeOut() {
        let worker = ScriptedWorker()
        var address = iocp_address()
        var connection: iocp_token = 0
        #expect(iocp_connect_within(worker.worker, &address, nil, 1_000_000_000, 42, &connection) == 0)
        // The handler ran for long: the answer and the deadline are found by the same wait.
        worker.report(token(connection, IOCP_OPERATION_CONNECT), 0)
        worker.pass(5_000_000_000)
        #expect(worker.settle().map(\.kind) == [IOCP_COMPLETION_OPENED])
        #expect(worker.holdings.deadlines == 0)
    }

    @Test func aConnectThatWasNotAnsweredTimesOut() {
        let worker = ScriptedWorker()
        var address = iocp_address()
        var connection: iocp_token = 0
        #expect(iocp_connect_within(worker.worker, &address, nil, 1_000_000_000, 42, &connection) == 0)
        worker.pass(999_999_999)
        #expect(worker.settle().isEmpty)
        worker.pass(10_000_000)
        let completions = finish(worker)
        #expect(completions.map(\.kind) == [IOCP_COMPLETION_CONNECT_FAILED])
        #expect(completions.first?.result == -ETIMEDOUT && completions.first?.key == 42)
        #expect(worker.holdsNothing)
    }

    @Test func aLateEventNeverReachesTheNextConnection() {
        let worker = ScriptedWorker(connections: 1)
        let first = worker.open()
        worker.report(token(first, IOCP_OPERATION_RECEIVE), -ECONNRESET)
        #expect(finish(worker).map(\.kind) == [IOCP_COMPLETION_CLOSED])
        let second = worker.open()
        #expect(iocp_token_slot(first) == iocp_token_slot(second))
        #expect(iocp_send(worker.worker, first, [1], 1) == -ENOTCONN)
        for operation in [IOCP_OPERATION_RECEIVE, IOCP_OPERATION_SEND, IOCP_OPERATION_SHUTDOWN, IOCP_OPERATION_CLOSE] {
            worker.report(token(first, operation), -ECONNRESET)
        }
        #expect(worker.settle().isEmpty)
        #expect(worker.holdings.connections == 1)
        #expect(worker.send(second, [1]) == 0)
    }

    /// A peer that reads slowly for days is given them, if that is the drain.
    @Test func aDrainOfDaysIsNotCutShort() {
        let hour: UInt64 = 3_600_000_000_000
        let worker = ScriptedWorker { $0.linger_timeout_ns = 24 * hour }
        let connection = worker.open()
        #expect(worker.send(connection, [UInt8](repeating: 1, count: 1000)) == 0)
        #expect(iocp_worker_leave(worker.worker, 72 * hour) == 0)
        _ = worker.settle()
        _ = worker.requests()
        for passed in stride(from: 10, to: 72, by: 10) {
            worker.pass(10 * hour)
            worker.report(token(connection, IOCP_OPERATION_SEND), 100)
            #expect(worker.settle().isEmpty)
            #expect(worker.requests().map(\.kind) == [INTERNALS_REQUEST_SEND], "after \(passed) hours")
        }
        worker.pass(2 * hour)
        _ = worker.settle()
        #expect(worker.requests().contains { $0.kind == INTERNALS_REQUEST_CANCEL })
    }
}

import CIOCPInternals
import Glibc
import Testing

/// What can be said and asked about one connection's unsent bytes: the hold on its receive, its marks, notifications.
@Suite struct PressureTests {
    private func make(holdsBack: Bool = true, connections: UInt32 = 16) -> ScriptedWorker {
        ScriptedWorker(connections: connections) {
            $0.send_low_bytes = 100
            $0.send_high_bytes = 1000
            $0.send_cap_bytes = 2000
            $0.overflow_policy = IOCP_OVERFLOW_REFUSE
            $0.holds_back_receive = holdsBack
        }
    }

    private func bytes(_ count: Int) -> [UInt8] { [UInt8](repeating: 7, count: count) }

    private func flushed(_ worker: ScriptedWorker) -> [internals_request_kind] {
        _ = worker.settle()
        return worker.requests().map(\.kind)
    }

    private func took(_ worker: ScriptedWorker, _ connection: iocp_token, _ count: Int32) -> [iocp_completion] {
        worker.report(iocp_token_with(connection, IOCP_OPERATION_SEND), count)
        return worker.settle()
    }

    private func marks(_ low: UInt32, _ high: UInt32, _ cap: UInt32) -> iocp_send_marks {
        iocp_send_marks(low_bytes: low, high_bytes: high, cap_bytes: cap)
    }

    private func set(_ marks: iocp_send_marks, _ worker: ScriptedWorker, _ connection: iocp_token) -> Int32 {
        withUnsafePointer(to: marks) { iocp_connection_set_marks(worker.worker, connection, $0) }
    }

    // MARK: The hold

    @Test func withoutTheHoldReceivingGoesOn() {
        let worker = make(holdsBack: false)
        let connection = worker.open()
        _ = worker.requests()
        #expect(!iocp_connection_holds_back(worker.worker, connection))
        #expect(worker.send(connection, bytes(1500)) == 0)
        #expect(flushed(worker) == [INTERNALS_REQUEST_SEND])
        #expect(took(worker, connection, 1400).map(\.kind) == [IOCP_COMPLETION_WRITABLE])  // all the same
        #expect(flushed(worker) == [INTERNALS_REQUEST_SEND])
    }

    @Test func theApplicationsPauseHoldsWithoutTheHold() {
        let worker = make(holdsBack: false)
        let connection = worker.open()
        _ = worker.requests()
        #expect(iocp_receive_pause(worker.worker, connection) == 0)
        #expect(flushed(worker) == [INTERNALS_REQUEST_CANCEL])
    }

    @Test func theHoldChangesWhileItMatters() {
        let worker = make()
        let connection = worker.open()
        _ = worker.requests()
        #expect(worker.send(connection, bytes(1500)) == 0)
        #expect(flushed(worker) == [INTERNALS_REQUEST_CANCEL, INTERNALS_REQUEST_SEND])
        worker.report(iocp_token_with(connection, IOCP_OPERATION_RECEIVE), -ECANCELED)
        #expect(flushed(worker) == [])
        #expect(iocp_connection_hold_back(worker.worker, connection, false) == 0)
        #expect(flushed(worker) == [INTERNALS_REQUEST_RECEIVE])
        #expect(iocp_connection_hold_back(worker.worker, connection, true) == 0)
        #expect(iocp_connection_holds_back(worker.worker, connection))
        #expect(flushed(worker) == [INTERNALS_REQUEST_CANCEL])
    }

    // MARK: Notifications

    @Test func aNotificationComesOnceBelowItsLimit() {
        let worker = make()
        let connection = worker.open()
        #expect(worker.send(connection, bytes(900)) == 0)
        #expect(iocp_notify_unsent(worker.worker, connection, 500, 42) == 0)
        #expect(iocp_notify_unsent(worker.worker, connection, 500, 43) == -EALREADY)
        #expect(worker.settle().isEmpty)
        #expect(took(worker, connection, 400).isEmpty)  // 500 are left
        let fell = took(worker, connection, 1)
        #expect(fell.map(\.kind) == [IOCP_COMPLETION_UNSENT_FELL] && fell.map(\.key) == [42] && fell[0].result == 0)
        #expect(fell[0].connection == connection)
        #expect(took(worker, connection, 499).isEmpty)
        #expect(iocp_notify_unsent(worker.worker, connection, 0, 44) == -EINVAL)
    }

    /// It is no answer of the call: a handler may ask again in its answer, and what is owed stays bounded.
    @Test func aNotificationThatIsTrueAlreadyComesWithTheNextWait() {
        let worker = make()
        let connection = worker.open()
        for key: UInt64 in 0..<100 {
            #expect(iocp_notify_unsent(worker.worker, connection, 1, key) == 0)
            #expect(iocp_notify_unsent(worker.worker, connection, 1, key) == -EALREADY)
            let fell = worker.settle()
            #expect(fell.map(\.kind) == [IOCP_COMPLETION_UNSENT_FELL] && fell.map(\.key) == [key])
        }
    }

    @Test func aGracefulCloseStillReachesTheLimit() {
        let worker = make()
        let connection = worker.open()
        #expect(worker.send(connection, bytes(900)) == 0)
        #expect(iocp_notify_unsent(worker.worker, connection, 1, 9) == 0)
        #expect(iocp_close(worker.worker, connection) == 0)
        #expect(iocp_notify_unsent(worker.worker, connection, 1, 9) == -ENOTCONN)
        _ = worker.settle()
        let fell = took(worker, connection, 900)
        #expect(fell.map(\.kind) == [IOCP_COMPLETION_UNSENT_FELL] && fell.map(\.result) == [0])
    }

    @Test func anAbortEndsItWithAnError() {
        let worker = make()
        let connection = worker.open()
        #expect(worker.send(connection, bytes(900)) == 0)
        #expect(iocp_notify_unsent(worker.worker, connection, 1, 9) == 0)
        _ = worker.settle()
        #expect(iocp_abort(worker.worker, connection) == 0)
        _ = worker.settle()
        for operation in [IOCP_OPERATION_RECEIVE, IOCP_OPERATION_SEND] {
            worker.report(iocp_token_with(connection, operation), -ECANCELED)
        }
        let fell = worker.settle()
        #expect(fell.map(\.kind) == [IOCP_COMPLETION_UNSENT_FELL] && fell.map(\.result) == [-ECANCELED])
        worker.report(iocp_token_with(connection, IOCP_OPERATION_CLOSE), 0)
        #expect(worker.settle().map(\.kind) == [IOCP_COMPLETION_CLOSED])
        #expect(worker.holdsNothing)
    }

    // MARK: Marks

    @Test func aConnectionHasMarksOfItsOwn() {
        let worker = make()
        let connection = worker.open()
        let other = worker.open()
        for bad in [marks(1, 1, 1), marks(2, 1, 1), marks(0, 2, 1), marks(0, 0, 0), marks(0, 1, 2001)] {
            #expect(set(bad, worker, connection) == -EINVAL)
        }
        #expect(set(marks(5, 10, 20), worker, connection) == 0)
        #expect(worker.send(connection, bytes(21)) == -EMSGSIZE)
        #expect(worker.send(connection, bytes(10)) == 0)
        #expect(worker.send(other, bytes(999)) == 0)
        _ = worker.settle()
        #expect(took(worker, connection, 4).isEmpty)
        #expect(took(worker, connection, 1).map(\.kind) == [IOCP_COMPLETION_WRITABLE])
    }

    @Test func marksTakeEffectAtOnce() {
        let worker = make()
        let connection = worker.open()
        _ = worker.requests()
        #expect(worker.send(connection, bytes(900)) == 0)
        #expect(flushed(worker) == [INTERNALS_REQUEST_SEND])
        #expect(set(marks(5, 10, 20), worker, connection) == 0)
        #expect(flushed(worker) == [INTERNALS_REQUEST_CANCEL])
        // What is unsent stays, above the new cap too. Only a send with bytes is refused.
        #expect(worker.send(connection, bytes(1)) == -EAGAIN)
        #expect(worker.send(connection, []) == 0)
        #expect(iocp_send_notify(worker.worker, connection, 1) == 0)
        worker.report(iocp_token_with(connection, IOCP_OPERATION_RECEIVE), -ECANCELED)
        _ = worker.settle()
        let wide = marks(900, 1500, 2000)
        #expect(set(wide, worker, connection) == 0)
        #expect(worker.poll().map(\.kind) == [IOCP_COMPLETION_WRITABLE])
        #expect(flushed(worker) == [INTERNALS_REQUEST_RECEIVE])
    }

    /// Refused with few unsent bytes, it is writable once some were sent. Told so at once, it would be refused for ever.
    @Test func aRefusalIsNotFollowedByWritableBeforeAnythingWasSent() {
        let worker = make()
        let connection = worker.open()
        #expect(worker.send(connection, bytes(50)) == 0)
        #expect(worker.send(connection, bytes(1951)) == -EAGAIN)
        #expect(worker.settle().isEmpty)
        #expect(iocp_notify_unsent(worker.worker, connection, 1, 1) == 0)
        #expect(worker.settle().isEmpty)
        #expect(took(worker, connection, 1).map(\.kind) == [IOCP_COMPLETION_WRITABLE])
    }

    @Test func theNextLifeOfASlotHasThePortsMarks() {
        let worker = make(connections: 1)
        let connection = worker.open()
        #expect(set(marks(0, 1, 1), worker, connection) == 0)
        #expect(iocp_connection_hold_back(worker.worker, connection, false) == 0)
        #expect(iocp_abort(worker.worker, connection) == 0)
        _ = worker.settle()
        worker.report(iocp_token_with(connection, IOCP_OPERATION_RECEIVE), -ECANCELED)
        _ = worker.settle()
        worker.report(iocp_token_with(connection, IOCP_OPERATION_CLOSE), 0)
        _ = worker.settle()
        let next = worker.open()
        #expect(iocp_token_slot(next) == iocp_token_slot(connection))
        #expect(worker.send(next, bytes(999)) == 0)
        #expect(iocp_connection_holds_back(worker.worker, next))
    }
}

import CIOCPInternals
import Glibc
import Testing

/// Progress is the peer's: what it acknowledges counts, not what its socket has room for.
@Suite struct ProgressTests {
    static let second: UInt64 = 1_000_000_000
    static let timeout = 8 * second

    /// A connection with 1,000 bytes unsent behind a full socket, in which 4,000 more lie.
    private func stalled(_ configure: (inout iocp_port_config) -> Void) -> (ScriptedWorker, iocp_token) {
        let worker = ScriptedWorker(configure: configure)
        let connection = worker.open()
        worker.answerUnacknowledged(4000)
        #expect(worker.send(connection, [UInt8](repeating: 1, count: 5000)) == 0)
        took(worker, connection, 4000)
        return (worker, connection)
    }

    private func took(_ worker: ScriptedWorker, _ connection: iocp_token, _ count: Int32) {
        _ = worker.settle()
        worker.report(iocp_token_with(connection, IOCP_OPERATION_SEND), count)
        _ = worker.settle()
    }

    private func pass(_ worker: ScriptedWorker, _ ns: UInt64) {
        worker.pass(ns + Wheel.tick)
        _ = worker.settle()
    }

    private func reason(_ worker: ScriptedWorker) -> iocp_close_reason? {
        worker.finishClosing().map { iocp_close_reason(rawValue: $0.detail) }
    }

    /// The socket reports no room for minutes; in each window it was drained a little.
    @Test(arguments: [false, true])
    func aSlowReaderIsNotGivenUp(idle: Bool) {
        let (worker, _) = stalled {
            $0.send_timeout_ns = idle ? 0 : Self.timeout
            $0.idle_timeout_ns = idle ? Self.timeout : 0
        }
        for round: Int32 in 1...20 {
            pass(worker, Self.timeout)
            worker.answerUnacknowledged(4000 - round)
            #expect(reason(worker) == nil)
        }
        #expect(worker.questions >= 20)
        pass(worker, Self.timeout)
        #expect(reason(worker) == nil) // the last byte came in this window
        pass(worker, Self.timeout)
        #expect(reason(worker) == (idle ? IOCP_CLOSE_IDLE_TIMEOUT : IOCP_CLOSE_SEND_TIMEOUT))
        #expect(worker.stats.timeouts == 1)
    }

    /// The first window begins with what is not known: a look of its own finds it.
    @Test func onesThatTakeNothingEndInTheSecondWindow() {
        let (worker, _) = stalled { $0.send_timeout_ns = Self.timeout }
        pass(worker, Self.timeout)
        #expect(reason(worker) == nil)
        pass(worker, Self.timeout)
        #expect(reason(worker) == IOCP_CLOSE_SEND_TIMEOUT)
    }

    /// A message costs no question, nor does a timeout that finds nothing unsent.
    @Test func nothingIsAskedWhereNothingIsDue() {
        let worker = ScriptedWorker { $0.send_timeout_ns = Self.timeout }
        let connection = worker.open()
        for _ in 0..<10 {
            #expect(worker.send(connection, [1]) == 0)
            took(worker, connection, 1)
            pass(worker, Self.timeout)
        }
        #expect(worker.questions == 0 && reason(worker) == nil)
    }

    /// Silence with everything acknowledged is silence at the first look.
    @Test func idleMeansAtOnceWhereNothingIsOnItsWay() {
        let worker = ScriptedWorker { $0.idle_timeout_ns = Self.timeout }
        let connection = worker.open()
        #expect(worker.send(connection, [1]) == 0)
        took(worker, connection, 1)
        pass(worker, Self.timeout)
        #expect(reason(worker) == IOCP_CLOSE_IDLE_TIMEOUT)
    }

    /// The socket took as many bytes as were acknowledged, and the event that says so is still to come.
    @Test func whatASendInFlightTookIsNotSilence() {
        let (worker, connection) = stalled { $0.send_timeout_ns = Self.timeout }
        pass(worker, Self.timeout)
        _ = worker.requests()
        pass(worker, Self.timeout) // still 4,000: nothing, or 500 read and 500 taken
        let send = iocp_token_with(connection, IOCP_OPERATION_SEND)
        #expect(worker.requests().contains { $0.kind == INTERNALS_REQUEST_CANCEL && $0.call.token == send })
        worker.report(send, 500)
        #expect(reason(worker) == nil)
        #expect(worker.stats.timeouts == 0)
    }

    @Test(arguments: [-EBUSY, -EAGAIN])
    func noAnswerIsAskedForAgain(result: Int32) {
        let (worker, _) = stalled { $0.send_timeout_ns = Self.timeout }
        worker.answerUnacknowledged(result)
        pass(worker, Self.timeout)
        #expect(worker.questions == 1)
        for asked: UInt32 in 2...50 { // far longer than the timeout
            pass(worker, UInt64(IOCP_ASK_AGAIN_MS) * 1_000_000)
            #expect(worker.questions == asked)
        }
        #expect(reason(worker) == nil)
    }

    /// Before Linux 6.7 a ring cannot ask: there, room in the socket has to do.
    @Test func whereNobodyCanBeAskedRoomCounts() {
        let (worker, connection) = stalled { $0.send_timeout_ns = Self.timeout }
        worker.answerUnacknowledged(-EOPNOTSUPP)
        for _ in 0..<3 {
            pass(worker, Self.timeout)
            took(worker, connection, 1)
        }
        #expect(reason(worker) == nil)
        pass(worker, Self.timeout)
        #expect(reason(worker) == nil)
        pass(worker, Self.timeout)
        #expect(reason(worker) == IOCP_CLOSE_SEND_TIMEOUT)
    }

    // MARK: - Closing

    @Test func aGracefulCloseWaitsForASlowReader() {
        let (worker, connection) = stalled { $0.linger_timeout_ns = Self.timeout }
        #expect(iocp_close(worker.worker, connection) == 0)
        for round: Int32 in 1...20 {
            pass(worker, Self.timeout)
            worker.answerUnacknowledged(4000 - round)
            #expect(reason(worker) == nil)
        }
        pass(worker, Self.timeout)
        #expect(reason(worker) == nil)
        pass(worker, Self.timeout)
        #expect(reason(worker) == IOCP_CLOSE_SEND_TIMEOUT)
    }

    /// One that takes nothing gets the linger timeout and an eighth, no window more.
    @Test func aGracefulCloseGivesUpWhoTakesNothing() {
        let (worker, connection) = stalled { $0.linger_timeout_ns = Self.timeout }
        #expect(iocp_close(worker.worker, connection) == 0)
        pass(worker, Self.timeout / 8)
        #expect(reason(worker) == nil)
        pass(worker, Self.timeout)
        #expect(reason(worker) == IOCP_CLOSE_SEND_TIMEOUT)
    }

    /// Everything was handed over, FIN as well; the kernel still has the last bytes.
    private func lingering(_ unacknowledged: Int32) -> ScriptedWorker {
        let (worker, connection) = finishing(unacknowledged)
        worker.report(iocp_token_with(connection, IOCP_OPERATION_SHUTDOWN), 0)
        _ = worker.settle()
        return worker
    }

    /// Everything was handed over, and the shutdown has not ended.
    private func finishing(_ unacknowledged: Int32) -> (ScriptedWorker, iocp_token) {
        let worker = ScriptedWorker { $0.linger_timeout_ns = Self.timeout }
        let connection = worker.open()
        worker.answerUnacknowledged(unacknowledged)
        #expect(worker.send(connection, [UInt8](repeating: 1, count: 5000)) == 0)
        #expect(iocp_close(worker.worker, connection) == 0)
        took(worker, connection, 5000)
        return (worker, connection)
    }

    /// FIN counts as a byte. It left between two looks, and the peer acknowledged one byte: the kernel's answer is the same.
    @Test func finHidesNoProgress() {
        let (worker, connection) = finishing(5000)
        pass(worker, Self.timeout / 8)
        worker.report(iocp_token_with(connection, IOCP_OPERATION_SHUTDOWN), 0)
        _ = worker.settle()
        pass(worker, Self.timeout)
        #expect(reason(worker) == nil)
        pass(worker, Self.timeout)
        #expect(reason(worker) == IOCP_CLOSE_SEND_TIMEOUT)
    }

    /// A shutdown that has not ended: whether FIN counts is not known, so nobody is judged.
    @Test func nobodyIsJudgedWhileFinIsOnItsWay() {
        let (worker, connection) = finishing(5000)
        pass(worker, Self.timeout / 8)
        pass(worker, 4 * Self.timeout)
        worker.answerUnacknowledged(5001)
        worker.report(iocp_token_with(connection, IOCP_OPERATION_SHUTDOWN), 0)
        _ = worker.settle()
        #expect(reason(worker) == nil)
        pass(worker, Self.second)
        #expect(reason(worker) == IOCP_CLOSE_SEND_TIMEOUT)
    }

    @Test func theLastBytesInTheSocketAreWaitedFor() {
        let worker = lingering(5001)
        for round: Int32 in 1...20 {
            pass(worker, Self.timeout)
            worker.answerUnacknowledged(5001 - round)
            #expect(reason(worker) == nil)
        }
        worker.answerUnacknowledged(0)
        pass(worker, Self.timeout)
        #expect(reason(worker) == nil)
        pass(worker, Self.timeout)
        #expect(reason(worker) == IOCP_CLOSE_LOCAL) // it has everything, and does not finish
    }

    @Test func theLastBytesThatNobodyTakesAreNamed() {
        let worker = lingering(5001)
        pass(worker, Self.timeout / 8)
        #expect(reason(worker) == nil)
        pass(worker, Self.timeout)
        #expect(reason(worker) == IOCP_CLOSE_SEND_TIMEOUT)
        #expect(worker.stats.timeouts == 1)
    }

    /// Its deadline comes in the wait that brings the end of the close: there is nothing to send any more.
    @Test func aDelayedSendIsForgottenWithItsConnection() {
        let (worker, connection) = stalled { _ in }
        worker.report(iocp_token_with(connection, IOCP_OPERATION_SEND), -ENOBUFS)
        _ = worker.settle()
        #expect(iocp_abort(worker.worker, connection) == 0)
        _ = worker.settle()
        worker.report(iocp_token_with(connection, IOCP_OPERATION_RECEIVE), -ECANCELED)
        _ = worker.settle()
        worker.pass(Self.second)
        worker.report(iocp_token_with(connection, IOCP_OPERATION_CLOSE), 0)
        #expect(worker.settle().last?.kind == IOCP_COMPLETION_CLOSED)
    }

    // MARK: - A worker that was away

    /// A handler that takes longer than a timeout: what came meanwhile is no silence.
    @Test func whatCameWhileTheWorkerWasAwayCounts() throws {
        let worker = ScriptedWorker {
            $0.idle_timeout_ns = Self.timeout
            $0.receive_timeout_ns = Self.timeout
        }
        let connection = worker.open()
        let buffer = worker.requests().first { $0.kind == INTERNALS_REQUEST_PROVIDE }!.call.buffer
        worker.pass(2 * Self.timeout)
        let token = iocp_token_with(connection, IOCP_OPERATION_RECEIVE)
        worker.reportReceived(token, [1], in: buffer, at: 0, more: true, done: false)
        let received = try #require(worker.settle().first)
        #expect(received.kind == IOCP_COMPLETION_RECEIVED)
        iocp_lease_return(worker.worker, received.detail)
        #expect(reason(worker) == nil)
    }
}

import CIOCPInternals
import Glibc
import Testing

/// The deadlines of connections, in scripted time.
@Suite struct TimeoutTests {
    static let second: UInt64 = 1_000_000_000

    /// The worker, one open connection, and the buffers it can be sent bytes in.
    private struct Fixture {
        let worker: ScriptedWorker
        let connection: iocp_token
        private let buffer: UInt16
        private var filled = 0

        init(_ configure: (inout iocp_port_config) -> Void) {
            worker = ScriptedWorker(configure: configure)
            connection = worker.open()
            buffer = worker.requests().first { $0.kind == INTERNALS_REQUEST_PROVIDE }!.call.buffer
        }

        /// The peer sends bytes, which are given back at once.
        mutating func receive(_ count: Int = 1) {
            let token = iocp_token_with(connection, IOCP_OPERATION_RECEIVE)
            worker.reportReceived(token, [UInt8](repeating: 1, count: count), in: buffer, at: filled, more: true, done: false)
            filled += count
            for completion in worker.settle() where completion.kind == IOCP_COMPLETION_RECEIVED {
                iocp_lease_return(worker.worker, completion.detail)
            }
        }

        func took(_ count: Int32) {
            worker.report(iocp_token_with(connection, IOCP_OPERATION_SEND), count)
            _ = worker.settle()
        }

        /// Why the connection closes now, or nil when it stays open.
        func closeReason() -> iocp_close_reason? {
            guard let last = worker.finishClosing() else { return nil }
            #expect(last.kind == IOCP_COMPLETION_CLOSED && worker.holdsNothing)
            return iocp_close_reason(rawValue: last.detail)
        }
    }

    @Test func silenceClosesAfterTheIdleTimeout() {
        var fixture = Fixture { $0.idle_timeout_ns = 10 * Self.second }
        for _ in 0..<5 { // each byte is another ten seconds
            fixture.worker.pass(9 * Self.second)
            fixture.receive()
        }
        fixture.worker.pass(10 * Self.second - 1)
        #expect(fixture.closeReason() == nil)
        fixture.worker.pass(1 + Wheel.tick)
        #expect(fixture.closeReason() == IOCP_CLOSE_IDLE_TIMEOUT)
        #expect(fixture.worker.stats.timeouts == 1)
    }

    @Test func sendingIsNoSilence() {
        let fixture = Fixture { $0.idle_timeout_ns = 10 * Self.second }
        for _ in 0..<5 {
            fixture.worker.pass(9 * Self.second)
            #expect(fixture.worker.send(fixture.connection, [1]) == 0)
            _ = fixture.worker.settle()
            fixture.took(1)
        }
        #expect(fixture.closeReason() == nil)
    }

    @Test func tooFewBytesCloseAfterTheReceiveTimeout() {
        var fixture = Fixture {
            $0.receive_timeout_ns = 10 * Self.second
            $0.receive_progress_bytes = 100
        }
        for count in [60, 40, 100, 500] {
            fixture.receive(count)
            fixture.worker.pass(count == 60 ? Self.second : 9 * Self.second + Wheel.tick)
            _ = fixture.worker.settle()
        }
        fixture.receive(20)
        for _ in 0..<4 { // a byte now and then: a slow loris
            fixture.worker.pass(5 * Self.second)
            fixture.receive(1)
        }
        #expect(fixture.closeReason() == IOCP_CLOSE_RECEIVE_TIMEOUT)
    }

    @Test func whoIsHeldBackIsNotBlamed() {
        let fixture = Fixture { $0.receive_timeout_ns = 10 * Self.second }
        #expect(iocp_receive_pause(fixture.worker.worker, fixture.connection) == 0)
        for _ in 0..<9 {
            fixture.worker.pass(7 * Self.second)
            _ = fixture.worker.settle()
        }
        #expect(iocp_receive_resume(fixture.worker.worker, fixture.connection) == 0)
        _ = fixture.worker.settle()
        fixture.worker.report(iocp_token_with(fixture.connection, IOCP_OPERATION_RECEIVE), -ECANCELED)
        _ = fixture.worker.settle()
        _ = fixture.worker.requests()
        fixture.worker.pass(5 * Self.second) // half a timeout since it may send again
        #expect(fixture.closeReason() == nil)
    }

    @Test func unsentBytesWithoutProgressCloseAfterTheSendTimeout() {
        let fixture = Fixture { $0.send_timeout_ns = 10 * Self.second }
        fixture.worker.pass(100 * Self.second) // nothing to send: no deadline
        _ = fixture.worker.settle()
        #expect(fixture.worker.send(fixture.connection, [UInt8](repeating: 1, count: 100)) == 0)
        _ = fixture.worker.settle()
        for _ in 0..<5 {
            fixture.worker.pass(9 * Self.second)
            fixture.took(1)
        }
        #expect(fixture.worker.requests().contains { $0.kind == INTERNALS_REQUEST_SEND })
        fixture.worker.pass(20 * Self.second + 2 * Wheel.tick)
        _ = fixture.worker.settle()
        fixture.worker.pass(20 * Self.second + 2 * Wheel.tick)
        #expect(fixture.closeReason() == IOCP_CLOSE_SEND_TIMEOUT)
    }

    @Test func aPeerThatNeverFinishesIsGivenUpAfterTheLinger() {
        let fixture = Fixture { $0.linger_timeout_ns = 10 * Self.second }
        #expect(iocp_close(fixture.worker.worker, fixture.connection) == 0)
        _ = fixture.worker.settle()
        let shutdowns = fixture.worker.requests().filter { $0.kind == INTERNALS_REQUEST_SHUTDOWN }
        #expect(shutdowns.count == 1)
        fixture.worker.report(shutdowns[0].call.token, 0)
        fixture.worker.pass(10 * Self.second - 1)
        #expect(fixture.closeReason() == nil)
        fixture.worker.pass(1 + Wheel.tick)
        #expect(fixture.closeReason() == IOCP_CLOSE_LOCAL)
    }
}

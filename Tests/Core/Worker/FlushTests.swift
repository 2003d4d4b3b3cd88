import CIOCPInternals
import Testing

/// What is queued on many connections leaves in portions, in order, and others are served between two of them.
@Suite struct FlushTests {
    private static let portion = IOCP_FLUSH_SLOTS_MAX

    private static func sends(_ worker: ScriptedWorker) -> [iocp_token] {
        worker.requests().filter { $0.kind == INTERNALS_REQUEST_SEND }.map {
            iocp_token_connection($0.call.token, 0)
        }
    }

    private static func broadcast(to count: Int) -> (ScriptedWorker, [iocp_token]) {
        let worker = ScriptedWorker(connections: UInt32(count) + 2)
        let connections = (0..<count).map { _ in worker.open() }
        _ = worker.requests()
        for connection in connections { #expect(worker.send(connection, [1]) == 0) }
        return (worker, connections)
    }

    @Test func aPollHandsOverEverything() {
        let (worker, connections) = Self.broadcast(to: 2 * Self.portion + 88)
        #expect(worker.poll().isEmpty)
        #expect(Self.sends(worker) == connections)
    }

    @Test func whatComesBetweenTwoPortionsIsServedBetweenThem() {
        let (worker, connections) = Self.broadcast(to: 2 * Self.portion + 88)
        var left = connections[...]
        for key in [7, 8] as [UInt64] {
            #expect(internals_worker_post(worker.script, 0, key) == 0)
            let completions = worker.poll()
            #expect(completions.map(\.kind) == [IOCP_COMPLETION_POSTED] && completions.map(\.key) == [key])
            #expect(Self.sends(worker)[...] == left.prefix(Self.portion))
            left = left.dropFirst(Self.portion)
        }
        #expect(worker.poll().isEmpty)
        #expect(Self.sends(worker)[...] == left)
    }

    @Test func noReplyWaitsBehindThousandsThatClose() {
        let worker = ScriptedWorker(connections: UInt32(4 * Self.portion) + 2)
        let closing = (0..<4 * Self.portion).map { _ in worker.open() }
        let live = worker.open()
        _ = worker.requests()
        for connection in closing { #expect(iocp_abort(worker.worker, connection) == 0) }
        #expect(worker.send(live, [1]) == 0)
        #expect(internals_worker_post(worker.script, 0, 7) == 0)
        #expect(worker.poll().map(\.key) == [7])  // one flush
        #expect(Self.sends(worker) == [live])
    }

    /// A shutdown costs a switch to a thread of the kernel's, so thousands at once would delay every reply.
    @Test func fewShutdownsAreUnderWayAtATime() {
        let most = Int(IOCP_SHUTDOWNS_MAX)
        let worker = ScriptedWorker(connections: UInt32(3 * most) + 8)
        let closing = (0..<3 * most).map { _ in worker.open() }
        let live = worker.open()
        _ = worker.requests()
        for (index, connection) in closing.enumerated() {
            let result = index.isMultiple(of: 2) ? iocp_close(worker.worker, connection) : iocp_finish_sending(worker.worker, connection)
            #expect(result == 0)
        }
        var shutdowns: [ScriptedWorker.Request] = []
        for round in 1...3 {
            #expect(worker.send(live, [1]) == 0)
            _ = worker.settle()
            _ = worker.accept()  // so that the wait has something to hand out
            #expect(worker.poll(sleepingUpTo: 1_000_000_000).map(\.kind) == [IOCP_COMPLETION_OPENED])
            #expect(internals_worker_wait_ns(worker.script) > 0, "it polls for the ends of shutdowns")
            let requests = worker.requests()
            let sends = requests.filter { $0.kind == INTERNALS_REQUEST_SEND }
            #expect(sends.count == 1)
            for send in sends { worker.report(send.call.token, 1) }
            let begun = requests.filter { $0.kind == INTERNALS_REQUEST_SHUTDOWN }
            #expect(begun.count == most, "round \(round)")
            for shutdown in begun { worker.report(shutdown.call.token, 0) }
            shutdowns += begun
        }
        #expect(Set(shutdowns.map(\.call.token)).count == 3 * most)
    }

    @Test func aCloseGoesOnUnderFullTraffic() {
        let worker = ScriptedWorker(connections: UInt32(2 * Self.portion) + 2)
        let live = (0..<2 * Self.portion).map { _ in worker.open() }
        let closing = worker.open()
        _ = worker.requests()
        #expect(iocp_abort(worker.worker, closing) == 0)
        for connection in live { #expect(worker.send(connection, [1]) == 0) }
        #expect(internals_worker_post(worker.script, 0, 7) == 0)
        #expect(worker.poll().map(\.key) == [7])  // one flush
        let kinds = worker.requests().map(\.kind)
        #expect(kinds.count { $0 == INTERNALS_REQUEST_SEND } == Self.portion - 1)
        #expect(kinds.contains(INTERNALS_REQUEST_CANCEL))
    }

    @Test func noWaitSleepsWhileConnectionsAreListed() {
        let (worker, _) = Self.broadcast(to: Self.portion + 1)
        for isLeft in [true, false] {
            _ = worker.accept()  // so that the wait has something to hand out
            #expect(worker.poll(sleepingUpTo: 1_000_000_000).map(\.kind) == [IOCP_COMPLETION_OPENED])
            #expect((internals_worker_wait_ns(worker.script) == 0) == isLeft)
        }
    }

    @Test func aConnectionThatClosesWhileItIsListedSendsNothing() {
        let (worker, connections) = Self.broadcast(to: Self.portion + 1)
        #expect(iocp_abort(worker.worker, connections.last!) == 0)
        _ = worker.poll()
        #expect(Self.sends(worker) == connections.dropLast())
    }
}

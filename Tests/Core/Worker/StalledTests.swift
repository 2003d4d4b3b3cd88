import CIOCPInternals
import Glibc
import Testing

/// Connections behind full sockets: what they may hold together, and which of them ends when it is too much.
@Suite struct StalledTests {
    private static let chunk = Int(IOCP_SEND_CHUNK_BYTES)

    private func make(connections: UInt32 = 64, chunks: UInt32 = 16, cap: UInt64 = 1 << 30) -> ScriptedWorker {
        ScriptedWorker(connections: connections, chunks: chunks) {
            $0.overflow_policy = IOCP_OVERFLOW_REFUSE
            $0.worker_unsent_bytes = cap
            $0.send_high_bytes = 1000
            $0.send_low_bytes = 1
            $0.send_cap_bytes = 1 << 20
        }
    }

    /// A connection sends `count` bytes, of which its socket takes `taken`.
    private func stall(_ worker: ScriptedWorker, _ connection: iocp_token, _ count: Int, taken: Int32 = 1) {
        #expect(worker.send(connection, [UInt8](repeating: 1, count: count)) == 0)
        took(worker, connection, taken)
    }

    private func took(_ worker: ScriptedWorker, _ connection: iocp_token, _ count: Int32) {
        _ = worker.settle()
        worker.report(iocp_token_with(connection, IOCP_OPERATION_SEND), count)
        _ = worker.settle()
    }

    /// Ends what the worker cancelled and closed; returns the reasons of those that are gone.
    private func finish(_ worker: ScriptedWorker) -> [iocp_token: iocp_close_reason] {
        var reasons: [iocp_token: iocp_close_reason] = [:]
        for _ in 0..<3 {
            for request in worker.requests() {
                switch request.kind {
                case INTERNALS_REQUEST_CANCEL: worker.report(request.call.token, -ECANCELED)
                case INTERNALS_REQUEST_CLOSE: worker.report(request.call.token, 0)
                default: break
                }
            }
            for completion in worker.settle() where completion.kind == IOCP_COMPLETION_CLOSED {
                reasons[completion.connection] = iocp_close_reason(rawValue: completion.detail)
            }
        }
        return reasons
    }

    private func lives(_ worker: ScriptedWorker, _ connection: iocp_token) -> Bool {
        iocp_send(worker.worker, connection, nil, 0) == 0
    }

    @Test func theOneThatWaitedLongestMakesRoom() {
        let worker = make()
        let stalled = (0..<12).map { _ in worker.open() }
        for connection in stalled { stall(worker, connection, Self.chunk) } // 12 of 16 chunks: no reserve yet
        took(worker, stalled[0], 1) // a slow peer, but it reads
        let newcomer = worker.open()
        stall(worker, newcomer, 100)
        #expect(!lives(worker, stalled[1]) && lives(worker, stalled[0]) && lives(worker, newcomer))
        #expect(worker.stats.refused_sends == 1)
    }

    /// Victims give their memory back late: their sends are with the driver, and the memory with them.
    @Test func halfOfTheReserveIsNobodysThatStalls() {
        let worker = make()
        let stalled = (0..<12).map { _ in worker.open() }
        for connection in stalled { stall(worker, connection, Self.chunk) }
        let newcomers = (0..<8).map { _ in worker.open() }
        for newcomer in newcomers { stall(worker, newcomer, Self.chunk) }
        #expect(newcomers.map { lives(worker, $0) } == [true, true] + [Bool](repeating: false, count: 6))
        let live = worker.open()
        #expect(worker.send(live, [UInt8](repeating: 2, count: Self.chunk)) == 0)
        let reasons = finish(worker)
        #expect(reasons.count == 8 && reasons.values.allSatisfy { $0 == IOCP_CLOSE_SEND_OVERFLOW })
    }

    @Test func theWorkersBoundIsKeptInTheSameWay() {
        let worker = make(cap: 8000)
        let stalled = (0..<6).map { _ in worker.open() }
        for connection in stalled { stall(worker, connection, 1001) } // 6,000: no reserve yet
        #expect(stalled.allSatisfy { lives(worker, $0) })
        let newcomer = worker.open()
        stall(worker, newcomer, 501)
        #expect(lives(worker, newcomer) && !lives(worker, stalled[0]))
        _ = finish(worker)
        #expect(worker.unsent == 5500)
        let small = worker.open(), large = worker.open()
        stall(worker, small, 401)
        stall(worker, large, 1102) // beyond half of the reserve
        #expect(lives(worker, small) && !lives(worker, large))
        #expect(worker.unsent == 5900)
    }

    /// A piece in a shared chunk keeps all of the chunk from being filled anew.
    @Test func sharedChunksCountWhileAStalledPieceLiesInThem() {
        let worker = make(connections: 64, chunks: 16)
        let stalled = (0..<40).map { _ in worker.open() }
        for connection in stalled {
            stall(worker, connection, Self.chunk / 2 + 1)
            #expect(worker.holdings.send_chunks <= 15)
        }
        let live = worker.open()
        for _ in 0..<20 {
            #expect(worker.send(live, [UInt8](repeating: 2, count: Self.chunk)) == 0)
            took(worker, live, Int32(Self.chunk))
        }
    }

    /// A graceful close, too, holds memory until its peer reads.
    @Test func oneThatClosesMakesRoomAsWell() {
        let worker = make()
        let stalled = (0..<12).map { _ in worker.open() }
        for connection in stalled { stall(worker, connection, Self.chunk) }
        #expect(iocp_close(worker.worker, stalled[0]) == 0)
        _ = worker.settle()
        stall(worker, worker.open(), 100)
        #expect(finish(worker)[stalled[0]] == IOCP_CLOSE_SEND_OVERFLOW)
    }

    @Test func nothingIsLeftBehind() {
        let worker = make()
        for _ in 0..<2 {
            let connections = (0..<20).map { _ in worker.open() }
            for connection in connections { stall(worker, connection, Self.chunk) }
            for connection in connections where lives(worker, connection) {
                #expect(iocp_abort(worker.worker, connection) == 0)
            }
            _ = worker.settle()
            #expect(finish(worker).count == 20)
            #expect(worker.unsent == 0 && worker.holdsNothing)
        }
    }
}

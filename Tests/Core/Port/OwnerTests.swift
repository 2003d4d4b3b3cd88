import CIOCPInternals
import Glibc
import SharedHarness
import Testing

/// A worker belongs to the thread that opened it: a call from another one is refused, or traps where it answers nothing.
@Suite struct OwnerTests {
    /// Every call that answers.
    private static func calls(_ worker: OpaquePointer, _ connection: iocp_token) -> [(name: String, result: Int32)] {
        var address = iocp_address()
        var token: iocp_token = 0
        var timer: iocp_timer = 0
        var counters = iocp_connection_counters()
        var room: UnsafeMutablePointer<UInt8>?
        var resident: UInt64 = 0
        var onNode: UInt64 = 0
        var completions = [iocp_completion](repeating: iocp_completion(), count: 16)
        let byte: [UInt8] = [1]
        let shared = Shared(byte)
        return [
            ("wait", iocp_worker_wait(worker, &completions, 16, 0)),
            ("leave", iocp_worker_leave(worker, 0)),
            ("pages", iocp_worker_pages(worker, &resident, &onNode)),
            ("connect", iocp_connect(worker, &address, nil, 0, &token)),
            ("timer_start", iocp_timer_start(worker, 0, 1, 0, &timer)),
            ("timer_start_named", iocp_timer_start_named(worker, 0, 1, &timer)),
            ("timer_cancel", iocp_timer_cancel(worker, 1 << 32)),
            ("timer_discard", iocp_timer_discard(worker, 1 << 32)),
            ("send", iocp_send(worker, connection, byte, 1)),
            ("send_lease", iocp_send_lease(worker, connection, 0, byte, 1)),
            ("send_shared", iocp_send_shared(worker, connection, shared.pointer)),
            ("send_parts", iocp_send_parts(worker, connection, nil, 0)),
            ("draft_open", iocp_draft_open(worker, connection)),
            ("draft_append", iocp_draft_append(worker, byte, 1)),
            ("draft_reserve", iocp_draft_reserve(worker, 1, &room)),
            ("draft_keep", iocp_draft_keep(worker, 0)),
            ("draft_send", iocp_draft_send(worker)),
            ("send_notify", iocp_send_notify(worker, connection, 0)),
            ("receive_pause", iocp_receive_pause(worker, connection)),
            ("receive_resume", iocp_receive_resume(worker, connection)),
            ("finish_sending", iocp_finish_sending(worker, connection)),
            ("set_key", iocp_connection_set_key(worker, connection, 0)),
            ("peer", iocp_connection_peer(worker, connection, &address)),
            ("local", iocp_connection_local(worker, connection, &address)),
            ("counters", iocp_connection_counters_get(worker, connection, &counters)),
            ("close", iocp_close(worker, connection)),
            ("abort", iocp_abort(worker, connection)),
        ]
    }

    @Test func anotherThreadIsRefusedAndChangesNothing() {
        let worker = ScriptedWorker()
        let connection = worker.open()
        _ = worker.requests()
        for call in elsewhere({ Self.calls(worker.worker, connection) }) {
            #expect(call.result == -EPERM, "\(call.name) answered \(call.result)")
        }
        #expect(worker.settle().isEmpty && worker.requests().isEmpty)
        #expect(worker.holdings.deadlines == 0 && worker.holdings.connections == 1)
        #expect(worker.send(connection, [1]) == 0)
    }

    /// A thread that owns a worker is no owner of another one.
    @Test func anotherOwnerIsRefused() {
        let worker = ScriptedWorker()
        let connection = worker.open()
        let results = elsewhere {
            let own = ScriptedWorker()
            let ownConnection = own.open()
            return (foreign: Self.calls(worker.worker, connection), own: own.send(ownConnection, [1]))
        }
        #expect(results.foreign.allSatisfy { $0.result == -EPERM } && results.own == 0)
        let second = ScriptedWorker()  // one thread may own several
        #expect(worker.send(connection, [1]) == 0 && second.send(second.open(), [1]) == 0)
    }

    // unsafe: written once, in a process of its own.
    nonisolated(unsafe) private static var kept: ScriptedWorker?

    /// The next thread may have the stack, the address and the number that the system gave to the last one.
    @Test func aThreadThatTookOverTheOwnersPlaceIsRefused() async {
        await #expect(processExitsWith: .success) {
            var worker: OpaquePointer?
            var owner = pthread_t()
            elsewhere {
                let script = ScriptedWorker()
                worker = script.worker
                owner = pthread_self()
                OwnerTests.kept = script  // never closed: only its thread could
            }
            var sawSamePlace = false
            for _ in 0..<100 {
                elsewhere {
                    sawSamePlace = sawSamePlace || pthread_self() == owner
                    precondition(iocp_worker_leave(worker!, 0) == -EPERM)
                }
            }
            precondition(sawSamePlace)
        }
    }

    @Test func askingForUnsentBytesElsewhereTraps() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            let worker = ScriptedWorker()
            let connection = worker.open()
            _ = elsewhere { iocp_connection_unsent_bytes(worker.worker, connection) }
        }
        expectMessage(result, "asked for its unsent bytes on another thread than its worker's")
    }

    @Test func askingForHoldingsElsewhereTraps() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            let worker = ScriptedWorker()
            _ = elsewhere { worker.holdings }
        }
        expectMessage(result, "asked what it holds on another thread than its own")
    }

    @Test func givingALeaseBackElsewhereTraps() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            let worker = ScriptedWorker()
            elsewhere { iocp_lease_return(worker.worker, 0) }
        }
        expectMessage(result, "received bytes were dropped on another thread than their worker's")
    }

    @Test func closingElsewhereTraps() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            let worker = ScriptedWorker()
            elsewhere { iocp_worker_close(worker.worker) }
        }
        expectMessage(result, "closed or released on another thread than the one that attached it")
    }
}

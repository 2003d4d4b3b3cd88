import CIOCPInternals
import Testing

/// Looking before sleeping, as the driver sees it: under a played clock a spin is one look.
@Suite struct SpinTests {
    /// The wake of a stop ends the look, and is used up by it: nothing else would end a sleep.
    @Test(arguments: [(1000, true), (0, false)] as [(UInt64, Bool)])
    func aStopThatComesWhileItLooksIsSeenBeforeItSleeps(spin: UInt64, looks: Bool) {
        let worker = ScriptedWorker { $0.spin_ns = spin }
        // Of a life that ended: something came, and nothing is handed out.
        worker.report(iocp_token_make(IOCP_OPERATION_RECEIVE, 0, 1), 0)
        #expect(worker.poll().isEmpty)
        internals_worker_stop_in_wait(worker.script)
        let completions = worker.poll(sleepingUpTo: 1_000_000_000)
        #expect(completions.map(\.kind) == [IOCP_COMPLETION_STOPPING])
        #expect((internals_worker_longest_wait_ns(worker.script) == 0) == looks)
    }
}

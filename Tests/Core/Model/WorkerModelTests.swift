import CIOCPInternals
import Glibc
import SharedHarness
import Testing

/// A worker between an application and a transport that both act at random (guarantees G1-G5, G7, G9), in one thread
/// and without a kernel, so that a seed repeats the run.
@Suite struct WorkerModelTests {
    enum Mode: CaseIterable {
        case plain, halfClose, afterFirstBytes, wholeBuffers, capsRefuse, capsClose, timeouts
    }

    private struct Run {
        var random: Randomness
        let worker: ScriptedWorker
        let transport: PlayedTransport
        let application: PlayedApplication

        init(_ given: Randomness, _ mode: Mode) {
            var random = given
            let whole = mode == .wholeBuffers
            worker = ScriptedWorker(connections: 12, buffers: 16, chunks: 24, wholeBuffers: whole) {
                $0.half_close = mode == .halfClose
                $0.deliver_after_first_bytes = mode == .afterFirstBytes
                $0.linger_timeout_ns = 3_600_000_000_000
                $0.timers_per_worker = 8
                if mode == .timeouts {
                    $0.idle_timeout_ns = 400_000_000
                    $0.receive_timeout_ns = 600_000_000
                    $0.receive_progress_bytes = 50
                    $0.send_timeout_ns = 300_000_000
                }
                if mode == .capsRefuse || mode == .capsClose {
                    $0.send_low_bytes = 2_000
                    $0.send_high_bytes = 8_000
                    $0.send_cap_bytes = 30_000
                    $0.worker_unsent_bytes = 80_000
                    $0.overflow_policy = mode == .capsClose ? IOCP_OVERFLOW_CLOSE : IOCP_OVERFLOW_REFUSE
                }
            }
            transport = PlayedTransport(worker, Randomness(seed: random.next()), wholeBuffers: whole)
            application = PlayedApplication(worker, transport, Randomness(seed: random.next()))
            self.random = random
        }

        mutating func turn(ending: Bool = false) {
            for _ in 0..<random.below(8) { transport.step(ending: ending) }
            worker.pass(UInt64(random.below(20_000_000)))
            internals_worker_set_batch(worker.script, UInt32(1 + random.below(20)))
            application.take(worker.poll(capacity: 16 + random.below(48)))
            transport.takeRequests()
        }

        mutating func live(turns: Int) {
            for _ in 0..<turns {
                if random.happens(oneIn: 4) && transport.sockets.count < 14 { transport.acceptClient() }
                for _ in 0..<random.below(4) { application.act() }
                turn()
            }
        }

        /// Everything ends: the application closes, the peers finish.
        mutating func end() {
            for _ in 0..<3_000 {
                application.closeEverything()
                application.returnLeases()
                turn(ending: true)
                if worker.holdsNothing { break }
            }
            expectEnded()
        }

        /// Every life came to its end, and left nothing behind.
        func expectEnded() {
            #expect(application.open.isEmpty && application.connecting.isEmpty && application.posts.isEmpty)
            #expect(worker.holdsNothing, "\(worker.holdings)")
            #expect(transport.sockets.isEmpty && application.timers.isEmpty)
            #expect(worker.unsent == 0)
        }
    }

    @Test(arguments: Mode.allCases)
    func everyLifeIsWhole(mode: Mode) {
        let random = Randomness.announced("everyLifeIsWhole(\(mode))")
        var closed = 0, refused = 0
        for repetition: UInt64 in 0..<3 {
            var run = Run(Randomness(seed: random.seed &+ repetition), mode)
            run.live(turns: 400)
            run.end()
            closed += run.application.closed.count
            refused += run.application.refused
        }
        #expect(closed > 30 && refused > 0, "little happened")
    }

    @Test(arguments: Mode.allCases)
    func aStopEndsEveryLife(mode: Mode) {
        let random = Randomness.announced("aStopEndsEveryLife(\(mode))")
        for repetition: UInt64 in 0..<3 {
            var run = Run(Randomness(seed: random.seed &+ repetition), mode)
            run.live(turns: 150)
            internals_worker_stop(run.worker.script, 3_600_000_000_000)
            for _ in 0..<3_000 where !run.worker.holdsNothing {
                run.application.returnLeases()
                run.turn(ending: true)
            }
            run.expectEnded()
            #expect(run.application.stoppings == 1)
            guard run.worker.holdsNothing else { continue }
            var completions = [iocp_completion](repeating: iocp_completion(), count: 16)
            #expect(iocp_worker_wait(run.worker.worker, &completions, 16, 0) == -ECANCELED)
        }
    }
}

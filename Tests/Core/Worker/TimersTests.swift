import CIOCPInternals
import Glibc
import SharedHarness
import Testing

/// User timers of a worker, in scripted time.
@Suite struct TimersTests {
    static let millisecond: UInt64 = 1_000_000

    private func start(
        _ worker: ScriptedWorker, _ connection: iocp_token = 0, after delay: UInt64, key: UInt64 = 1
    ) -> (result: Int32, timer: iocp_timer) {
        var timer: iocp_timer = 0
        let result = iocp_timer_start(worker.worker, connection, delay, key, &timer)
        return (result, timer)
    }

    private func fired(_ completions: [iocp_completion]) -> [UInt64] {
        completions.filter { $0.kind == IOCP_COMPLETION_TIMER && $0.result == 0 }.map(\.key)
    }

    @Test func aTimerFiresOnceAndInTime() {
        let worker = ScriptedWorker()
        let (result, timer) = start(worker, after: 100 * Self.millisecond, key: 42)
        #expect(result == 0 && timer != 0)
        #expect(worker.holdings.deadlines == 1)
        #expect(worker.settle().isEmpty)
        worker.pass(100 * Self.millisecond - 1)
        #expect(worker.settle().isEmpty)
        worker.pass(1 + Wheel.tick)
        #expect(fired(worker.settle()) == [42])
        worker.pass(10_000 * Self.millisecond)
        #expect(worker.settle().isEmpty && worker.holdsNothing)
        #expect(iocp_timer_cancel(worker.worker, timer) == -ENOENT) // its name is nobody's
    }

    /// The worker sleeps as long as it may, and wakes in time: for short timers, at the border of near and far, and beyond
    /// the horizon of the wheels.
    @Test(arguments: [
        1, 300_000, 500_000, millisecond, 3 * millisecond, 100 * millisecond, 1_073 * millisecond, 1_074 * millisecond,
        2_200 * millisecond, 34_000 * millisecond, 61_234 * millisecond, 86_400_000 * millisecond, 300 * 86_400_000 * millisecond,
    ])
    func aTimerIsAtMostHalfAMillisecondLate(delay: UInt64) {
        let worker = ScriptedWorker()
        worker.letSleep()
        worker.pass(777_777)
        _ = worker.settle()
        let due = worker.now + delay
        #expect(start(worker, after: delay, key: 9).result == 0)
        #expect(fired(worker.poll(sleepingUpTo: .max)) == [9])
        #expect(worker.now >= due && worker.now <= due + Wheel.fineTick, "\(worker.now - due) ns late")
        #expect(worker.sleeps <= 8 + UInt32(delay / Wheel.turn), "it wakes for nothing")
        #expect(worker.holdsNothing)
    }

    @Test func aTimerIsCancelledOnEitherWheel() {
        let worker = ScriptedWorker()
        for delay in [Self.millisecond, 60_000 * Self.millisecond] {
            let (_, timer) = start(worker, after: delay, key: 7)
            #expect(worker.holdings.deadlines == 1)
            #expect(iocp_timer_cancel(worker.worker, timer) == 0)
            #expect(worker.holdings.deadlines == 0)
            #expect(worker.settle().map(\.result) == [-ECANCELED])
        }
        worker.pass(120_000 * Self.millisecond)
        #expect(worker.settle().isEmpty && worker.holdsNothing)
    }

    @Test func aCancelledTimerEndsInOneCompletion() {
        let worker = ScriptedWorker()
        let (_, timer) = start(worker, after: 100 * Self.millisecond, key: 7)
        #expect(iocp_timer_cancel(worker.worker, timer) == 0)
        #expect(iocp_timer_cancel(worker.worker, timer) == -ENOENT)
        let completions = worker.settle()
        #expect(completions.map(\.kind) == [IOCP_COMPLETION_TIMER])
        #expect(completions.first?.result == -ECANCELED && completions.first?.key == 7)
        worker.pass(1_000 * Self.millisecond)
        #expect(worker.settle().isEmpty && worker.holdsNothing)
    }

    @Test func aNamedTimerCarriesItsNameAndNoOtherDoes() {
        let worker = ScriptedWorker()
        var named: iocp_timer = 0
        #expect(iocp_timer_start_named(worker.worker, 0, Self.millisecond, &named) == 0)
        let (_, other) = start(worker, after: Self.millisecond, key: named)
        #expect(other != named)
        worker.pass(Self.millisecond + Wheel.tick)
        let completions = worker.settle()
        #expect(completions.map(\.key) == [named, named] && fired(completions).count == 2)
        #expect(completions.map { Int($0.detail) }.sorted() == [0, Int(IOCP_TIMER_NAMED)])
        // An entry that was a named one's is an ordinary one's next.
        for key: UInt64 in 0..<2 { #expect(start(worker, after: Self.millisecond, key: key).result == 0) }
        worker.pass(Self.millisecond + Wheel.tick)
        #expect(worker.settle().allSatisfy { $0.detail == 0 } && worker.holdsNothing)
    }

    @Test func aDiscardedTimerSaysNothing() {
        let worker = ScriptedWorker { $0.timers_per_worker = 1 }
        var timer: iocp_timer = 0
        for _ in 0..<1_000 {
            // Each gives its entry back at once, and owes nothing.
            #expect(iocp_timer_start_named(worker.worker, 0, Self.millisecond, &timer) == 0)
            #expect(start(worker, after: Self.millisecond).result == -ENOBUFS)
            #expect(iocp_timer_discard(worker.worker, timer) == 0)
            #expect(iocp_timer_discard(worker.worker, timer) == -ENOENT)
        }
        worker.pass(2 * Self.millisecond + Wheel.tick)
        #expect(worker.settle().isEmpty && worker.holdsNothing)
        #expect(start(worker, after: Self.millisecond, key: 3).result == 0)
        worker.pass(Self.millisecond + Wheel.tick)
        #expect(fired(worker.settle()) == [3])
    }

    @Test func namesThatAreNoneCancelNothing() {
        let worker = ScriptedWorker()
        let (_, first) = start(worker, after: Self.millisecond)
        for name in [0, 1 << 32 | 99, .max, first + 1, first + 1 << 32] as [iocp_timer] {
            #expect(iocp_timer_cancel(worker.worker, name) == -ENOENT)
        }
        #expect(iocp_timer_cancel(worker.worker, first) == 0)
        let (_, second) = start(worker, after: Self.millisecond)
        #expect(second != first) // the same place, another name
        #expect(iocp_timer_cancel(worker.worker, first) == -ENOENT)
        #expect(iocp_timer_cancel(worker.worker, second) == 0)
    }

    @Test func noMoreThanConfigured() {
        let worker = ScriptedWorker { $0.timers_per_worker = 3 }
        for key: UInt64 in 0..<3 { #expect(start(worker, after: Self.millisecond, key: key).result == 0) }
        #expect(start(worker, after: Self.millisecond).result == -ENOBUFS)
        worker.pass(Self.millisecond + Wheel.tick)
        #expect(fired(worker.settle()).sorted() == [0, 1, 2])
        #expect(start(worker, after: Self.millisecond).result == 0)
    }

    @Test func aTimerOfAConnectionThatClosedNamesNoConnection() {
        let worker = ScriptedWorker()
        let connection = worker.open()
        #expect(start(worker, connection, after: Self.millisecond, key: 5).result == 0)
        #expect(start(worker, connection, after: 500 * Self.millisecond, key: 6).result == 0)
        worker.pass(Self.millisecond + Wheel.tick)
        let first = worker.settle()
        #expect(first.map(\.connection) == [connection] && first.map(\.result) == [0])
        worker.report(iocp_token_with(connection, IOCP_OPERATION_RECEIVE), -ECONNRESET)
        _ = worker.settle()
        worker.report(iocp_token_with(connection, IOCP_OPERATION_CLOSE), 0)
        _ = worker.settle()
        _ = worker.open() // takes over its slot
        worker.pass(600 * Self.millisecond)
        let second = worker.settle()
        #expect(second.map(\.kind) == [IOCP_COMPLETION_TIMER])
        #expect(second.map(\.connection) == [0] && second.map(\.result) == [-ECANCELED] && second.map(\.key) == [6])
    }

    /// Far beyond what the wheel tells from the past, too: no delay is cut short, and none is early.
    @Test(arguments: [2, 99, 100, 101, 250, 1_000])
    func aTimerOfManyDaysKeepsItsTime(days: UInt64) {
        let day = 86_400_000 * Self.millisecond
        let worker = ScriptedWorker()
        #expect(start(worker, after: days * day, key: 9).result == 0)
        for passed in 1..<days {
            worker.pass(day)
            #expect(worker.settle().isEmpty, "after \(passed) days")
        }
        worker.pass(day - 1)
        #expect(worker.settle().isEmpty && worker.holdings.deadlines == 1)
        worker.pass(1 + Wheel.tick)
        #expect(fired(worker.settle()) == [9])
        #expect(worker.holdsNothing)
    }

    @Test func aTimerThatNeverEndsIsNoneThatEndedAlready() {
        let worker = ScriptedWorker()
        let (result, timer) = start(worker, after: .max)
        #expect(result == 0)
        worker.pass(1_000 * 86_400_000 * Self.millisecond / 11)
        #expect(worker.settle().isEmpty)
        #expect(iocp_timer_cancel(worker.worker, timer) == 0)
    }

    @Test func aStopCancelsEveryTimer() {
        let worker = ScriptedWorker()
        for key: UInt64 in 0..<5 { #expect(start(worker, after: 1 << 40, key: key).result == 0) }
        internals_worker_stop(worker.script, 1 << 50)
        #expect(worker.poll().map(\.kind) == [IOCP_COMPLETION_STOPPING])
        let completions = worker.settle()
        #expect(completions.map(\.key).sorted() == [0, 1, 2, 3, 4])
        #expect(completions.allSatisfy { $0.kind == IOCP_COMPLETION_TIMER && $0.result == -ECANCELED })
        #expect(start(worker, after: 1).result == -ESHUTDOWN)
        #expect(worker.holdsNothing)
    }

    /// A timeout that every message moves is started and cancelled as often as messages come.
    @Test func startingAndCancellingWithoutEndIsNoAbort() async {
        await #expect(processExitsWith: .success) {
            let worker = ScriptedWorker { $0.timers_per_worker = 4 }
            var timer: iocp_timer = 0
            var refused = 0
            for key: UInt64 in 0..<100_000 {
                let result = iocp_timer_start(worker.worker, 0, 1_000_000_000, key, &timer)
                if result == 0 { _ = iocp_timer_cancel(worker.worker, timer) } else { refused += 1 }
            }
            precondition(refused > 0)
        }
    }

    @Test func randomTimersEachEndOnce() {
        var random = Randomness.announced()
        let worker = ScriptedWorker { $0.timers_per_worker = 64 }
        var armed: [UInt64: (due: UInt64, timer: iocp_timer)] = [:]
        var cancelled: Set<UInt64> = []
        for key: UInt64 in 1...5_000 {
            switch random.below(4) {
            case 0, 1:
                let delay = UInt64(random.magnitude(upTo: 2_000_000_000))
                let (result, timer) = start(worker, after: delay, key: key)
                #expect(result == (armed.count + cancelled.count < 64 ? 0 : -ENOBUFS) || result == -ENOBUFS && !cancelled.isEmpty
                    || result == 0 && armed.count < 64)
                if result == 0 { armed[key] = (worker.now + delay, timer) }
            case 2:
                guard let (key, one) = armed.randomElement(using: &random) else { break }
                #expect(iocp_timer_cancel(worker.worker, one.timer) == 0)
                armed[key] = nil
                cancelled.insert(key)
            default:
                worker.pass(UInt64(random.magnitude(upTo: 1_000_000_000)))
                for completion in worker.settle() {
                    if completion.result == -ECANCELED {
                        #expect(cancelled.remove(completion.key) != nil)
                    } else {
                        let due = armed.removeValue(forKey: completion.key)?.due
                        #expect(due.map { $0 <= worker.now } == true)
                    }
                }
                #expect(cancelled.isEmpty)
                #expect(armed.values.allSatisfy { worker.now < $0.due + Wheel.tick })
                #expect(Int(worker.holdings.deadlines) == armed.count)
            }
        }
    }
}

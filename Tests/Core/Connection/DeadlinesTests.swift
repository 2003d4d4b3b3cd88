import CIOCPInternals
import Testing

@Suite struct DeadlinesTests {
    static let start: UInt64 = 1_234_567_890_123
    static let tick = Wheel.tick

    @Test func nothingArmedMeansNoWaitAndNoDeadline() {
        let wheel = Wheel(entries: 4, now: Self.start)
        #expect(wheel.wait(Self.start) == .max)
        #expect(wheel.pop(Self.start + 1_000_000_000) == nil)
        #expect(wheel.wait(Self.start + 1_000_000_000) == .max)
    }

    /// Each distance, also those at the edges of a tick and of a turn.
    @Test(arguments: [
        1, tick - 1, tick, tick + 1, 5 * tick, Wheel.turn - 1, Wheel.turn, Wheel.turn + 1, 3 * Wheel.turn + 7 * tick + 3,
    ])
    func neverEarlyAndAtMostOneTickLate(distance: UInt64) {
        for offset in [0, 1, Self.tick / 2, Self.tick - 1] {
            let armed = Self.start + offset, due = armed + distance
            let wheel = Wheel(entries: 1, now: Self.start)
            wheel.arm(0, due: due)
            #expect(wheel.pop(armed) == nil)
            #expect(wheel.pop(due - 1) == nil)
            #expect(wheel.pop(due + Self.tick) == 0)
            #expect(wheel.armed == 0 && wheel.wait(due + Self.tick) == .max)
        }
    }

    @Test func aDeadlineInThePastIsDueWithinOneTick() {
        let wheel = Wheel(entries: 2, now: Self.start)
        let now = Self.start + 100 * Self.tick + 5
        #expect(wheel.pop(now) == nil)
        wheel.arm(0, due: now - 50 * Self.tick)
        wheel.arm(1, due: now)
        #expect(wheel.wait(now) <= Self.tick)
        #expect(Set(wheel.popAll(now + Self.tick)) == [0, 1])
    }

    @Test func armingAgainMovesADeadline() {
        let wheel = Wheel(entries: 2, now: Self.start)
        wheel.arm(0, due: Self.start + 10 * Self.tick)
        wheel.arm(0, due: Self.start + 20 * Self.tick) // later
        #expect(wheel.armed == 1)
        #expect(wheel.pop(Self.start + 19 * Self.tick) == nil)
        wheel.arm(1, due: Self.start + 90 * Self.tick)
        wheel.arm(1, due: Self.start + 30 * Self.tick) // sooner
        #expect(wheel.popAll(Self.start + 31 * Self.tick) == [0, 1])
        #expect(wheel.armed == 0)
    }

    @Test func aDisarmedDeadlineNeverComes() {
        let wheel = Wheel(entries: 3, now: Self.start)
        for entry: UInt32 in 0..<3 { wheel.arm(entry, due: Self.start + 10 * Self.tick) } // one bucket
        wheel.disarm(1) // the middle of its list
        wheel.disarm(1) // again, harmlessly
        #expect(wheel.armed == 2)
        #expect(Set(wheel.popAll(Self.start + 11 * Self.tick)) == [0, 2])
        wheel.disarm(0)
        #expect(wheel.wait(Self.start + 11 * Self.tick) == .max)
    }

    /// Same bucket, another turn: passed over, not fired and not lost.
    @Test func anEntryOfALaterTurnIsPassedOver() {
        let wheel = Wheel(entries: 3, now: Self.start)
        let due = Self.start + 10 * Self.tick
        for entry: UInt32 in 0..<3 { wheel.arm(entry, due: due + UInt64(entry) * Wheel.turn) }
        for entry: UInt32 in 0..<3 {
            let at = due + UInt64(entry) * Wheel.turn
            #expect(wheel.popAll(at - 1).isEmpty)
            #expect(wheel.popAll(at + Self.tick) == [entry])
        }
    }

    @Test func aSleepOfManyTurnsFindsEverythingDueAndNothingElse() {
        let wheel = Wheel(entries: 300, now: Self.start)
        for entry: UInt32 in 0..<300 { wheel.arm(entry, due: Self.start + UInt64(entry) * Wheel.turn / 30) } // ten turns
        let now = Self.start + 7 * Wheel.turn + Self.tick
        #expect(wheel.popAll(now).sorted() == Array(0...210))
        #expect(wheel.armed == 89)
        #expect(wheel.popAll(Self.start + 100 * Wheel.turn).sorted() == Array(211..<300))
    }

    /// A handler re-arms what fired, while the sweep it fired in goes on.
    @Test func reArmingInsideTheSweep() {
        let wheel = Wheel(entries: 4, now: Self.start)
        let due = Self.start + 3 * Self.tick
        for entry: UInt32 in 0..<4 { wheel.arm(entry, due: due) }
        let now = due + 5 * Self.tick // the sweep reaches further than the bucket they are in
        var fired: [UInt32: Int] = [:]
        while let entry = wheel.pop(now), fired.values.reduce(0, +) < 100 {
            fired[entry, default: 0] += 1
            switch entry {
            case 0: wheel.arm(0, due: now + Self.tick)           // the future
            case 1 where fired[1] == 1: wheel.arm(1, due: now)   // now: within one tick
            case 2 where fired[2] == 1: wheel.arm(2, due: due)   // the past
            default: break
            }
        }
        #expect(fired[0] == 1 && fired[3] == 1)
        #expect(fired[2]! <= 2)
        let rest = wheel.popAll(now + Self.tick).sorted()
        #expect(rest.contains(0))
        #expect(wheel.popAll(now + 2 * Self.tick).isEmpty && wheel.armed == 0)
        #expect(fired[1]! + rest.count { $0 == 1 } == 2)
        #expect(fired[2]! + rest.count { $0 == 2 } == 2)
    }

    /// The list of a bucket changes under its sweep.
    @Test func disarmingAndMovingWhatTheSweepWouldFindNext() {
        for change in 0..<4 {
            let wheel = Wheel(entries: 6, now: Self.start)
            let due = Self.start + 3 * Self.tick, now = due + Self.tick
            for entry: UInt32 in 0..<6 { wheel.arm(entry, due: due) }
            var found = [wheel.pop(now)!]
            let others = (0..<6).filter { $0 != found[0] }
            switch change {
            case 0: for entry in others { wheel.disarm(entry) }
            case 1: for entry in others { wheel.arm(entry, due: now + 10 * Self.tick) }
            case 2: for entry in others { wheel.arm(entry, due: due + Wheel.turn) } // into the same bucket
            default: wheel.disarm(found[0]) // it fired: not armed
            }
            found += wheel.popAll(now)
            #expect(found.count == (change == 3 ? 6 : 1))
            let later = wheel.popAll(now + 2 * Wheel.turn)
            #expect(later.count == (change == 1 || change == 2 ? 5 : 0))
            #expect(wheel.armed == 0)
        }
    }

    @Test func aSweepInterruptedMidwayWaitsForNothing() {
        let wheel = Wheel(entries: 8, now: Self.start)
        for entry: UInt32 in 0..<8 { wheel.arm(entry, due: Self.start + 3 * Self.tick) }
        let now = Self.start + 9 * Self.tick
        for left in stride(from: 7, through: 1, by: -1) {
            #expect(wheel.pop(now) != nil)
            #expect(wheel.armed == left && wheel.wait(now) == 0)
        }
        #expect(wheel.pop(now) != nil)
        #expect(wheel.wait(now) == .max)
    }

    /// Sleeping as long as one is told ends at the deadline, in few steps.
    @Test(arguments: [1, 700, 4095, 4096, 4097, 20_000, 10_800_000]) // ticks; the last is a day
    func waitingAsToldFindsTheDeadlineInTime(ticks: UInt64) {
        let wheel = Wheel(entries: 1, now: Self.start)
        let due = Self.start + ticks * Self.tick + 17
        wheel.arm(0, due: due)
        var now = Self.start, steps: UInt64 = 0
        while wheel.pop(now) == nil {
            let wait = wheel.wait(now)
            #expect(wait > 0 && now + wait <= due + Self.tick)
            now += wait
            steps += 1
            if wait == 0 || steps > ticks { break }
        }
        #expect(now >= due && now < due + Self.tick)
        #expect(steps <= ticks / UInt64(IOCP_WHEEL_BUCKETS) + 2) // once per turn
    }
}

import CIOCPInternals
import SharedHarness
import Testing

/// Random arming and random steps of virtual time, against a list of what is due when.
@Suite struct DeadlinesModelTests {
    private struct Run {
        var random: Randomness
        let wheel: Wheel
        let start: UInt64
        var now: UInt64
        /// Per entry: when it is due, and when that was asked for.
        var armed: [UInt32: (due: UInt64, at: UInt64)] = [:]
        var fired = 0
        let count: Int
        /// Ticks at a time, where what is looked for happens within a few of them.
        let finely: Bool

        init(_ random: Randomness, start: UInt64, now: UInt64, count: Int = 48, finely: Bool = false) {
            self.finely = finely
            self.random = random
            self.start = start
            self.now = now
            self.count = count
            wheel = Wheel(entries: UInt32(count), now: start)
            #expect(wheel.pop(now) == nil)
        }

        mutating func step() {
            switch random.below(8) {
            case 0...3: arm(UInt32(random.below(count)))
            case 4:
                let entry = UInt32(random.below(count))
                wheel.disarm(entry)
                armed[entry] = nil
            default:
                pass()
                sweep()
            }
            #expect(wheel.armed == armed.count)
            checkWait()
        }

        mutating func arm(_ entry: UInt32) {
            var due = now
            switch random.below(finely ? 3 : 6) {
            case 0: due -= min(due - start, UInt64(random.below(Int(3 * Wheel.tick)))) // the past
            case 1: due += UInt64(random.below(Int(2 * Wheel.tick)))            // at once
            case 2: due = (due / Wheel.tick + UInt64(random.below(8))) * Wheel.tick
            case 3: due += UInt64(random.below(Int(Wheel.turn)))                // within a turn
            case 4: due += Wheel.turn - Wheel.tick + UInt64(random.below(Int(2 * Wheel.tick)))
            default: due += UInt64(random.magnitude(upTo: Int(4 * Wheel.turn))) // some turns
            }
            due = max(due, start)
            wheel.arm(entry, due: due)
            armed[entry] = (due, now)
        }

        /// Time goes on: a little, as long as the wheel says, or for many turns.
        mutating func pass() {
            switch random.below(finely ? 6 : 8) {
            case 0: break
            case 1...3: now += UInt64(random.below(Int(3 * Wheel.tick)))
            case 4, 5: now += min(wheel.wait(now), finely ? Wheel.tick : 4 * Wheel.turn)
            case 6: now += UInt64(random.below(Int(Wheel.turn / 8)))
            default: now += UInt64(random.magnitude(upTo: Int(3 * Wheel.turn)))
            }
        }

        /// Takes what is due, sometimes not all of it, sometimes arming and disarming meanwhile.
        mutating func sweep() {
            var limit = random.happens(oneIn: 4) ? random.below(4) : 500
            while limit > 0 {
                guard let entry = wheel.pop(now) else {
                    expectNothingOverdue()
                    return
                }
                guard let deadline = armed.removeValue(forKey: entry) else {
                    Issue.record("entry \(entry) fired without being armed")
                    return
                }
                fired += 1
                #expect(now >= deadline.due, "fired \(deadline.due - min(now, deadline.due)) ns early")
                if random.happens(oneIn: 3) { arm(entry) }
                if random.happens(oneIn: 6) { arm(UInt32(random.below(count))) }
                if random.happens(oneIn: 6), let other = armed.keys.randomElement(using: &random) {
                    wheel.disarm(other)
                    armed[other] = nil
                }
                limit -= 1
            }
        }

        /// Due, or asked for when it was due already: one tick later it has fired.
        func latest(_ deadline: (due: UInt64, at: UInt64)) -> UInt64 { max(deadline.due, deadline.at) + Wheel.tick }

        func expectNothingOverdue() {
            for (entry, deadline) in armed {
                #expect(now < latest(deadline), "entry \(entry) is \(now - min(now, deadline.due)) ns late")
            }
            #expect(wheel.wait(now) > 0, "a loop that waited as told would spin")
        }

        /// A sleep of this length never passes a deadline by more than its tick.
        func checkWait() {
            let wait = wheel.wait(now)
            guard let first = armed.values.map(latest).min() else {
                #expect(wait == .max)
                return
            }
            #expect(wait != .max)
            #expect(now + min(wait, 1 << 60) <= max(first, now))
        }

        /// Everything still armed comes, when one sleeps as told.
        mutating func drain() {
            var steps = 0
            while !armed.isEmpty && steps < 10_000 {
                while let entry = wheel.pop(now) {
                    let deadline = armed.removeValue(forKey: entry)
                    #expect(deadline.map { now >= $0.due && now <= max(latest($0), now) } == true)
                }
                expectNothingOverdue()
                if armed.isEmpty { break }
                now += wheel.wait(now)
                steps += 1
            }
            #expect(armed.isEmpty && wheel.armed == 0)
        }
    }

    /// The clock of a machine that was just started, and of one that has been up for years.
    @Test(arguments: [1, 987_654_321, 1 << 60] as [UInt64])
    func deadlinesComeInTime(start: UInt64) {
        var run = Run(.announced("deadlinesComeInTime(\(start))"), start: start, now: start)
        for _ in 0..<15_000 { run.step() }
        run.drain()
        #expect(run.fired > 1_000)
    }

    /// 32 bits of ticks last for 397 days; a worker may last longer.
    @Test func deadlinesComeInTimeWhenTheTickCountWraps() {
        let random = Randomness.announced()
        let wrap = (UInt64(1) << 32) * Wheel.tick
        for repetition: UInt64 in 0..<10 {
            let seed = random.seed &+ repetition
            var run = Run(Randomness(seed: seed), start: 5, now: wrap - 40 * Wheel.tick, count: 8, finely: true)
            for _ in 0..<300 { run.step() }
            #expect(run.now > wrap + 5 * Wheel.tick)
            run.drain()
        }
    }

    /// The same, tick by tick: each deadline near the wrap alone.
    @Test func aDeadlineAtTheWrapIsNotEarly() {
        let wrap = ((UInt64(1) << 32) - 1) * Wheel.tick // where the number of a tick would be 0
        for ticks in -3...3 {
            let due = UInt64(Int64(wrap) + Int64(ticks) * Int64(Wheel.tick))
            let wheel = Wheel(entries: 1, now: 0)
            #expect(wheel.pop(wrap - 10 * Wheel.tick) == nil)
            wheel.arm(0, due: due)
            #expect(wheel.pop(due - 1) == nil)
            wheel.arm(0, due: due)
            #expect(wheel.popAll(due + Wheel.tick) == [0])
        }
    }
}

import CIOCPInternals
import Testing

/// Which connections a busy worker gives away. Their parts of the latest receives are their parts of its load.
@Suite struct BalancingTests {
    /// Samples in which each slot stands as often as is said.
    private static func pick(_ counts: [UInt32: Int], own: UInt32, other: UInt32) -> Set<UInt32> {
        var samples = counts.flatMap { slot, count in Array(repeating: slot, count: count) }
        samples.shuffle()
        var picked = [UInt32](repeating: .max, count: Int(IOCP_BALANCE_MOVES_MAX))
        let count = iocp_balance_pick(&samples, UInt32(samples.count), own, other, &picked)
        #expect(Set(picked.prefix(Int(count))).count == Int(count), "one stands twice")
        return Set(picked.prefix(Int(count)))
    }

    @Test func thoseThatItGivesCarryAThirdOfTheDifference() {
        // A hundredth each: 30 of them are 30 % of 1,000, but 16 is the most of one look.
        let even = Dictionary(uniqueKeysWithValues: (0..<100).map { (UInt32($0), 2) })
        #expect(Self.pick(even, own: 1_000, other: 100).count == Int(IOCP_BALANCE_MOVES_MAX))
        #expect(Self.pick(even, own: 1_000, other: 880).count == 4)
        // The hottest that fit, and then smaller ones.
        #expect(Self.pick([1: 30, 2: 20, 3: 10, 4: 40], own: 1_000, other: 100) == [1])
        #expect(Self.pick([1: 60, 2: 25, 3: 5, 4: 10], own: 1_000, other: 100) == [2, 3])
    }

    @Test func whatWouldOnlyCarryItsLoadOverStays() {
        #expect(Self.pick([7: 200], own: 1_000, other: 0).isEmpty)
        #expect(Self.pick([7: 100, 8: 100], own: 1_000, other: 0).isEmpty)
        #expect(Self.pick([7: 90, 8: 10], own: 1_000, other: 0) == [8])
    }

    @Test func nothingGoesToOneThatIsAsBusy() {
        let even = Dictionary(uniqueKeysWithValues: (0..<50).map { (UInt32($0), 1) })
        #expect(Self.pick(even, own: 900, other: 900).isEmpty)
        #expect(Self.pick(even, own: 900, other: 1_000).isEmpty)
        #expect(Self.pick([:], own: 1_000, other: 0).isEmpty)
    }

    /// However many receives there were, each is as likely to be remembered as any other.
    @Test func samplesAreSpreadOverAllReceives() {
        let balancer = UnsafeMutablePointer<iocp_balancer>.allocate(capacity: 1)
        defer { balancer.deallocate() }
        balancer.initialize(to: iocp_balancer())
        balancer.pointee.random = 1
        for receive in 0..<100_000 as Range<UInt32> { iocp_balancer_sample(balancer, receive / 25_000) }
        var counts = [0, 0, 0, 0]
        withUnsafeBytes(of: balancer.pointee.samples) { bytes in
            for slot in bytes.bindMemory(to: UInt32.self) { counts[Int(slot)] += 1 }
        }
        #expect(balancer.pointee.sample_count == UInt32(IOCP_BALANCE_SAMPLES))
        // A quarter each is 64; five standard deviations are 35.
        #expect(counts.allSatisfy { (29...99).contains($0) }, "\(counts)")
    }
}

import CIOCPInternals
import Testing

/// Names that other workers gave, against a dictionary.
@Suite struct GuestsTests {
    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func findsWhatADictionaryFinds(seed: UInt64) {
        var random = Sequence64(state: seed)
        var guests = iocp_guests()
        defer { iocp_guests_close(&guests) }
        var expected: [iocp_token: UInt32] = [:]
        for step in 0..<20_000 {
            // Few slots and generations, as names are: they differ in some bits alone.
            let name = iocp_token_join(1 + UInt32(random.next() % 3), UInt32(random.next() % 64), 1 + random.next() % 8)
            if expected[name] != nil {
                iocp_guests_remove(&guests, name)
                expected[name] = nil
            } else if expected.count < 300 {
                #expect(iocp_guests_put(&guests, name, UInt32(step)) == 0)
                expected[name] = UInt32(step)
            }
            let asked = iocp_token_join(1 + UInt32(random.next() % 3), UInt32(random.next() % 64), 1 + random.next() % 8)
            #expect(iocp_guests_find(&guests, asked) == expected[asked] ?? UInt32.max)
            #expect(guests.count == UInt32(expected.count))
        }
        for (name, slot) in expected { #expect(iocp_guests_find(&guests, name) == slot) }
    }

    @Test func anEmptyOneFindsAndRemovesNothing() {
        var guests = iocp_guests()
        #expect(iocp_guests_find(&guests, 1) == UInt32.max)
        iocp_guests_remove(&guests, 1)
        iocp_guests_close(&guests)
    }

    private struct Sequence64 {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
    }
}

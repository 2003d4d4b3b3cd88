import Glibc

/// Random numbers that can be had again, from a seed that is printed, or given by IOCP_TEST_SEED.
package struct Randomness: RandomNumberGenerator {
    package let seed: UInt64
    private var words: SplitMix64

    package init(seed: UInt64) {
        self.seed = seed
        words = SplitMix64(seed: seed)
    }

    /// A seed of the environment's, or a fresh one; printed with the name of the test.
    package static func announced(_ test: String = #function) -> Randomness {
        let given = unsafe getenv("IOCP_TEST_SEED").flatMap { unsafe UInt64(String(cString: $0)) }
        let seed = given ?? UInt64.random(in: 1...UInt64(UInt32.max))
        print("\(test): IOCP_TEST_SEED=\(seed)")
        return Randomness(seed: seed)
    }

    package mutating func next() -> UInt64 { words.next() }

    package mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
    package mutating func happens(oneIn chances: Int) -> Bool { below(chances) == 0 }

    /// From 1 to `most`, each order of magnitude about as likely as the next.
    package mutating func magnitude(upTo most: Int) -> Int {
        let bits = Int.bitWidth - most.leadingZeroBitCount
        return min(most, 1 + below(1 << Int.random(in: 0...bits, using: &self)))
    }

    package mutating func bytes(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            var at = 0
            while at < count {
                var word = next()
                for _ in 0..<min(8, count - at) {
                    buffer[at] = UInt8(truncatingIfNeeded: word)
                    word >>= 8
                    at += 1
                }
            }
            initialized = count
        }
    }
}

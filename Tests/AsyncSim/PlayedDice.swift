import SharedHarness

/// What a play decides by its seed.
struct PlayedDice: RandomNumberGenerator {
    private var words: SplitMix64

    init(seed: UInt64) { words = SplitMix64(seed: seed) }

    mutating func next() -> UInt64 { words.next() }
    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
    mutating func happens(oneIn chances: Int) -> Bool { below(chances) == 0 }

    /// From 1 to `most`, each order of magnitude about as likely as the next.
    mutating func magnitude(upTo most: Int) -> Int {
        let bits = Int.bitWidth - most.leadingZeroBitCount
        return min(most, 1 + below(1 << Int.random(in: 0...bits, using: &self)))
    }

    /// A microsecond to ten seconds.
    mutating func time() -> Duration { .microseconds(magnitude(upTo: 10_000_000)) }
}

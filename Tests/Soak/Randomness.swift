#if Command
import SharedHarness

/// Random numbers that can be had again, from a seed.
struct Randomness: RandomNumberGenerator {
    private var words: SplitMix64

    init(seed: UInt64) {
        words = SplitMix64(seed: seed)
    }

    mutating func next() -> UInt64 { words.next() }

    /// As many small numbers as large ones: evenly spread over the powers of two up to `most`.
    mutating func spread(upTo most: Int) -> Int {
        let bits = Int.bitWidth - most.leadingZeroBitCount
        let bound = 1 << Int.random(in: 1...bits, using: &self)
        return min(most, Int.random(in: bound / 2...max(bound / 2, bound - 1), using: &self))
    }

    mutating func happens(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &self) < percent }
}

/// Bytes that look random, named by their position: whatever is lost, repeated, swapped or another stream's shows as a
/// difference. The period is prime, so that no power of two hides in it.
enum Pattern {
    static let period = 1_048_573
    /// The longest stretch that can be asked for.
    static let stretchMax = 1 << 20

    // unsafe: written once, before anybody sees it.
    nonisolated(unsafe) private static let table: UnsafeRawBufferPointer = {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: period + stretchMax + 8, alignment: 8)
        var random = Randomness(seed: 0x4666)
        for offset in stride(from: 0, to: period, by: 8) {
            bytes.storeBytes(of: random.next(), toByteOffset: offset, as: UInt64.self)
        }
        for offset in period..<bytes.count { bytes[offset] = bytes[offset - period] }
        return UnsafeRawBufferPointer(bytes)
    }()

    /// `count` bytes from a position on, lent until the program ends.
    static func bytes(at position: Int, count: Int) -> UnsafeRawBufferPointer {
        precondition(count <= stretchMax)
        let start = position % period
        return UnsafeRawBufferPointer(rebasing: table[start..<start + count])
    }
}
#endif

import IOCP
import Testing

/// The frames of a stream do not depend on how it arrives.
@Suite struct FramingCutTests {
    /// Some frames of each size that matters: empty, one byte, many.
    static func frames(_ style: FramingStyle) -> [UInt8] {
        var random = FramingRandom(seed: 7)
        return [0, 1, 7, 0, 20, 7, 1].flatMap { style.encode(random.bytes($0).map { $0 % 9 + 30 }) }
    }

    @Test("every pair of cuts gives the same frames", arguments: FramingStyle.allCases)
    func everySplit(style: FramingStyle) {
        let stream = Self.frames(style)
        let whole = style.cut(stream, pieces: [stream.count])
        #expect(whole.frames.count >= 5 && whole.failure == nil)
        #expect(whole == style.reference(stream))
        for first in 1..<stream.count {
            for second in 0..<stream.count - first {
                let cut = style.cut(stream, pieces: [first, second, stream.count])
                if cut != whole { #expect(cut == whole, "cut at \(first) and \(first + second)") }
            }
        }
    }

    @Test("one byte at a time, and every other size of receive, gives the same", arguments: FramingStyle.allCases)
    func everySize(style: FramingStyle) {
        let stream = Self.frames(style)
        let whole = style.cut(stream, pieces: [stream.count])
        for size in 1...stream.count {
            let pieces = Array(repeating: size, count: stream.count / size + 1)
            #expect(style.cut(stream, pieces: pieces) == whole, "receives of \(size)")
        }
    }

    /// 400 streams for each of 19 rules; the seed is in the message.
    @Test("random streams and cuts agree with the plainest parser", arguments: FramingStyle.allCases)
    func random(style: FramingStyle) {
        var failed = 0
        var frames = 0
        for seed in 0..<400 {
            var random = FramingRandom(seed: UInt64(seed))
            let stream = random.stream(style)
            let reference = style.reference(stream)
            failed += reference.failure == nil ? 0 : 1
            frames += reference.frames.count
            for pieces in [[stream.count], random.pieces(of: stream.count), random.pieces(of: stream.count)] {
                let cut = style.cut(stream, pieces: pieces)
                if cut != reference { #expect(cut == reference, "seed \(seed), pieces \(pieces), \(stream)") }
            }
        }
        #expect(frames > 400)
        let failsNever: Set<FramingStyle> = [.single, .seven]
        #expect(failsNever.contains(style) == (failed == 0), "\(failed) streams were refused")
    }

    @Test("rubbish alone is frames or a named error", arguments: FramingStyle.allCases)
    func rubbish(style: FramingStyle) {
        for seed in 0..<200 {
            var random = FramingRandom(seed: UInt64(1_000 + seed))
            let stream = (0..<random.below(300)).map { _ in UInt8.random(in: .min ... .max, using: &random) }
            let reference = style.reference(stream)
            #expect(style.cut(stream, pieces: random.pieces(of: stream.count)) == reference, "seed \(seed)")
        }
    }
}

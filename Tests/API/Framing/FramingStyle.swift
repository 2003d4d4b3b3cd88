import IOCP
import SharedHarness

/// Each rule with each of its options, small enough that random bytes meet every bound.
enum FramingStyle: CaseIterable {
    case one, twoBig, twoLittle, fourBig, fourLittle, eightBig, eightLittle, varint
    case oneCounted, fourCounted, varintCounted
    case lines, strictLines, zero, pair, selfSimilar, longest, single, seven

    static let maximum = 200

    var prefixed: LengthPrefixed? {
        let maximum = FramingStyle.maximum
        return switch self {
        case .one: LengthPrefixed(.one, maximumByteCount: maximum)
        case .twoBig: LengthPrefixed(.two, maximumByteCount: maximum)
        case .twoLittle: LengthPrefixed(.two, .littleEndian, maximumByteCount: maximum)
        case .fourBig: LengthPrefixed(.four, .bigEndian, maximumByteCount: maximum)
        case .fourLittle: LengthPrefixed(.four, .littleEndian, maximumByteCount: maximum)
        case .eightBig: LengthPrefixed(.eight, .bigEndian, maximumByteCount: maximum)
        case .eightLittle: LengthPrefixed(.eight, .littleEndian, maximumByteCount: maximum)
        case .varint: LengthPrefixed(.varint, maximumByteCount: maximum)
        case .oneCounted: LengthPrefixed(.one, countsPrefix: true, maximumByteCount: maximum)
        case .fourCounted: LengthPrefixed(.four, .littleEndian, countsPrefix: true, maximumByteCount: maximum)
        case .varintCounted: LengthPrefixed(.varint, countsPrefix: true, maximumByteCount: maximum)
        default: nil
        }
    }

    var delimiter: [UInt8]? {
        switch self {
        case .zero: [0]
        case .pair: [13, 10]
        case .selfSimilar: [1, 1, 2, 1, 1, 1]
        case .longest: (0..<16).map { $0 == 15 ? 1 : 0 }
        default: nil
        }
    }

    var lines: Lines? {
        switch self {
        case .lines: Lines(maximumByteCount: FramingStyle.maximum)
        case .strictLines: Lines(.carriageReturnLineFeed, maximumByteCount: FramingStyle.maximum)
        default: nil
        }
    }

    var fixed: FixedSize { FixedSize(self == .single ? 1 : 7) }

    func cut(_ stream: [UInt8], pieces: [Int]) -> Cut {
        if let prefixed { return APITests.cut(stream, by: prefixed, pieces: pieces) }
        if let lines { return APITests.cut(stream, by: lines, pieces: pieces) }
        if let delimiter {
            return APITests.cut(
                stream, by: Delimited(delimiter, maximumByteCount: FramingStyle.maximum), pieces: pieces)
        }
        return APITests.cut(stream, by: fixed, pieces: pieces)
    }

    func reference(_ stream: [UInt8]) -> Cut {
        if let prefixed { return Reference.cut(stream, by: prefixed) }
        if let lines { return Reference.cut(stream, by: lines) }
        if let delimiter {
            return Reference.cut(
                stream, by: Delimited(delimiter, maximumByteCount: FramingStyle.maximum), delimiter)
        }
        return Reference.cut(stream, by: fixed)
    }

    /// A frame of this payload, which may hold the delimiter by chance; the maximum is not asked.
    func encode(_ payload: [UInt8]) -> [UInt8] {
        if let prefixed {
            let most = prefixed.width == .one ? (prefixed.countsPrefix ? 254 : 255) : Int.max
            let payload = payload.prefix(most)
            guard let prefix = try? prefixed.prefix(forByteCount: payload.count) else { return [] }
            return [UInt8](prefix.bytes) + payload
        }
        if lines != nil { return payload.filter { $0 != 10 } + [13, 10] }
        if let delimiter { return payload + delimiter }
        return payload
    }
}

/// Streams and cuts that can be had again, from a seed.
struct FramingRandom: RandomNumberGenerator {
    private var words: SplitMix64

    init(seed: UInt64) { words = SplitMix64(seed: seed) }

    mutating func next() -> UInt64 { words.next() }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }

    /// Of few values, so that delimiters and small lengths come often.
    mutating func bytes(_ count: Int) -> [UInt8] {
        let values: [UInt8] = [0, 1, 2, 5, 10, 13, 127, 128, 129, 200, 201, 255]
        return (0..<count).map { _ in values[below(values.count)] }
    }

    /// Sizes of receives that cover a stream: small and large ones, or one of each byte.
    mutating func pieces(of count: Int) -> [Int] {
        let most = [1, 2, 3, 10, 70, 400][below(6)]
        var pieces: [Int] = []
        var left = count
        while left > 0 {
            pieces.append(1 + below(most))
            left -= pieces[pieces.count - 1]
        }
        return pieces
    }

    /// Whole frames, now and then a hostile one, and rubbish.
    mutating func stream(_ style: FramingStyle) -> [UInt8] {
        var stream: [UInt8] = []
        for _ in 0..<1 + below(8) {
            switch below(12) {
            case 0: stream += bytes(1 + below(40))
            case 1: stream += style.encode(bytes(FramingStyle.maximum - 2 + below(5)))
            case 2: stream += [UInt8](repeating: 0x61, count: FramingStyle.maximum + below(4))
            default: stream += style.encode(bytes(below(2) == 0 ? below(6) : below(100)))
            }
        }
        return stream
    }
}

import IOCP

/// Commands in RESP2: `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`, or a line of words, in which quotes are bytes like others.
struct RESP: Framing {
    let maximumByteCount = 1 << 20  // of a command, and so of a value
    let overheadByteCount = 0

    func search(_ bytes: RawSpan, from searched: Int) throws(FramingError) -> FrameSearch {
        try RESP.walk(bytes, from: searched) { _ in }
    }

    /// Walks over the first command, and calls `word` with the place of each of its words. A split command is walked from
    /// its beginning whenever more of it came: hence a bound of words.
    @inline(__always)
    static func walk(_ bytes: RawSpan, from searched: Int = 0, word: (Range<Int>) -> Void) throws(FramingError)
        -> FrameSearch
    {
        guard bytes.byte(at: 0) == UInt8(ascii: "*") else {
            let feed = bytes.firstOffset(of: 0x0A, from: searched)
            guard feed ?? bytes.byteCount < 1 << 16 else { throw .malformed("too big inline request") }
            guard let feed else { return .unknown(searched: bytes.byteCount) }
            var start = 0
            for offset in 0...feed where bytes.byte(at: offset) <= 0x20 {  // a space, or the end of the line
                if offset > start { word(start..<offset) }
                start = offset + 1
            }
            return .frame(payload: 0..<feed + 1, end: feed + 1)
        }
        guard let count = try number(bytes, "*", at: 0, max: 1_024) else { return .unknown(searched: 0) }
        var end = count.next
        for index in 0..<count.value {
            guard let length = try number(bytes, "$", at: end, max: 1 << 20) else { return .unknown(searched: 0) }
            end = length.next + length.value + 2
            // The length of the last word tells where the command ends. Before it nothing does.
            if end > bytes.byteCount { return index + 1 < count.value ? .unknown(searched: 0) : .incomplete(end: end) }
            word(length.next..<end - 2)
        }
        return .frame(payload: 0..<end, end: end)
    }

    /// The number of a line such as `$3`, and where the next line begins; nil if its end has not come.
    private static func number(_ bytes: RawSpan, _ kind: Unicode.Scalar, at start: Int, max: Int)
        throws(FramingError) -> (value: Int, next: Int)?
    {
        guard start < bytes.byteCount else { return nil }
        guard bytes.byte(at: start) == UInt8(ascii: kind) else { throw .malformed("expected '\(kind)'") }
        var (value, offset) = (0, start + 1)
        while offset < bytes.byteCount, bytes.byte(at: offset) != 0x0D {
            let digit = bytes.byte(at: offset) &- 0x30
            value = 10 * value + Int(digit)
            guard digit < 10, value <= max else { throw .malformed("invalid length") }
            offset += 1
        }
        guard offset + 1 < bytes.byteCount else { return nil }
        guard offset > start + 1, bytes.byte(at: offset + 1) == 0x0A else { throw .malformed("invalid length") }
        return (value, offset + 2)
    }
}

import IOCP

/// Commands in RESP2, the protocol of Redis: `*2\r\n$3\r\nGET\r\n$1\r\nk\r\n`.
struct RESP: Framing {
    let maximumByteCount = 1 << 20  // of a command, and so of a value

    func search(_ bytes: RawSpan, from searched: Int) throws(FramingError) -> FrameSearch {
        try RESP.walk(bytes) { _ in }
    }

    /// Walks over the first command, and calls `word` with the place of each of its words. A split command is walked
    /// from its beginning whenever more of it came: hence a bound of words.
    @inline(__always)
    static func walk(_ bytes: RawSpan, word: (Range<Int>) -> Void) throws(FramingError) -> FrameSearch {
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
    @inline(__always)
    private static func number(_ bytes: RawSpan, _ kind: Unicode.Scalar, at start: Int, max: Int)
        throws(FramingError) -> (value: Int, next: Int)?
    {
        guard start < bytes.byteCount else { return nil }
        guard bytes.byte(at: start) == UInt8(ascii: kind) else { throw .malformed("expected '\(kind)'") }
        var end = start + 1
        while end < bytes.byteCount, bytes.byte(at: end) &- 0x30 < 10, end < start + 10 { end += 1 }
        guard end + 1 < bytes.byteCount else { return nil }
        guard let number = bytes.extracting(start + 1..<end).number(), number <= max,
            bytes.byte(at: end) == 0x0D, bytes.byte(at: end + 1) == 0x0A
        else { throw .malformed("invalid length") }
        return (number, end + 2)
    }
}

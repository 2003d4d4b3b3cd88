/// Reading text where it lies: what stands before a separator, words, numbers. Nothing is copied and nothing allocated.
///
/// ```swift
/// var rest = line  // "Content-Length: 42"
/// if let name = rest.take(upTo: UInt8(ascii: ":")), name.isEqualIgnoringCase(to: "content-length") {
///     length = rest.trimmingSpaces().number()
/// }
/// ```
extension RawSpan {
    /// Takes what stands before the first such byte from the front; the byte itself is dropped.
    /// - Returns: nil if there is no such byte; then nothing is taken.
    /// - Complexity: O(the bytes taken), by `memchr(3)`.
    @inlinable
    @_lifetime(copy self)
    public mutating func take(upTo separator: UInt8) -> RawSpan? {
        guard let end = firstOffset(of: separator) else { return nil }
        let taken = extracting(first: end)
        self = extracting(droppingFirst: end + 1)
        return taken
    }

    /// Without the spaces and tabs at both ends.
    @inlinable
    @_lifetime(copy self)
    public func trimmingSpaces() -> RawSpan {
        var start = 0
        var end = byteCount
        while start < end, isSpace(byte(at: start)) { start += 1 }
        while start < end, isSpace(byte(at: end - 1)) { end -= 1 }
        return extracting(start..<end)
    }

    /// A number without a sign, and nothing else: digits, in letters of either case beyond 9.
    /// - Parameter radix: 2 to 36; another one traps.
    /// - Returns: nil if there is no digit, if a byte is none, or if the number does not fit.
    @inlinable
    public func number(radix: Int = 10) -> Int? {
        precondition(radix >= 2 && radix <= 36, "a radix is 2 to 36")
        if isEmpty { return nil }
        var number = 0
        for offset in 0..<byteCount {
            let digit = digit(byte(at: offset))
            let (shifted, isTooLarge) = number.multipliedReportingOverflow(by: radix)
            let (sum, isTooLargeYet) = shifted.addingReportingOverflow(digit)
            if digit >= radix || isTooLarge || isTooLargeYet { return nil }
            number = sum
        }
        return number
    }

    /// Whether the bytes are a text's UTF-8.
    @inlinable
    public func isEqual(to text: String) -> Bool {
        guard byteCount == text.utf8.count else { return false }
        var offset = 0
        for byte in text.utf8 {
            if self.byte(at: offset) != byte { return false }
            offset += 1
        }
        return true
    }

    /// Whether the bytes are a text's UTF-8, where A and a are the same, up to Z and z. Other letters are compared as bytes.
    @inlinable
    public func isEqualIgnoringCase(to text: String) -> Bool {
        guard byteCount == text.utf8.count else { return false }
        var offset = 0
        for byte in text.utf8 {
            if lowercase(self.byte(at: offset)) != lowercase(byte) { return false }
            offset += 1
        }
        return true
    }

    @inlinable
    func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

    @inlinable
    func lowercase(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }

    /// 0 to 35, or more for what is no digit.
    @inlinable
    func digit(_ byte: UInt8) -> Int {
        let decimal = byte &- 0x30
        if decimal < 10 { return Int(decimal) }
        let letter = lowercase(byte) &- 0x61
        return letter < 26 ? 10 + Int(letter) : 36
    }
}

/// Frames that end with a line feed, as of text protocols. The line end is no part of ``Frame/bytes``.
///
/// ```swift
/// var lines = FrameBuffer(Lines(maximumByteCount: 1_000))
/// while let line = try lines.next(in: &input) { names.append(String(decoding: line.bytes)) }
/// ```
public struct Lines: Framing {
    /// The bytes that end a line.
    public enum Ending: Hashable, Sendable {
        /// A line feed. A carriage return before it belongs to the line end, too.
        case lineFeed
        /// A carriage return and a line feed. A line feed alone is refused with EBADMSG: two programs that disagree
        /// about it see different lines. A carriage return alone is a byte like others.
        case carriageReturnLineFeed
    }

    /// The bytes that end a line.
    public let ending: Ending
    /// The most bytes of a line, without its end.
    public let maximumByteCount: Int

    /// - Parameter maximumByteCount: the most bytes of a line without its end, 1 to 2,147,483,647; another one traps.
    @inlinable
    public init(_ ending: Ending = .lineFeed, maximumByteCount: Int = 65_536) {
        self.ending = ending
        self.maximumByteCount = FramingBounds.checked(maximumByteCount)
    }

    @inlinable
    public var overheadByteCount: Int { 2 }

    @inlinable
    public func search(_ bytes: RawSpan, from searched: Int) throws(FramingError) -> FrameSearch {
        guard let lineFeed = bytes.firstOffset(of: 0x0A, from: searched) else {
            return .unknown(searched: bytes.byteCount)
        }
        if lineFeed > 0, bytes.byte(at: lineFeed - 1) == 0x0D {
            return .frame(payload: 0..<lineFeed - 1, end: lineFeed + 1)
        }
        if ending == .carriageReturnLineFeed { throw .lineFeedAlone }
        return .frame(payload: 0..<lineFeed, end: lineFeed + 1)
    }
}

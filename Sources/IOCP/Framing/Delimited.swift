/// Frames that end with a sequence of 1 to 16 bytes, which is no part of ``Frame/bytes``.
///
/// ```swift
/// var heads = FrameBuffer(Delimited("\r\n\r\n", maximumByteCount: 8_192))
/// if let head = try heads.next(in: &input) { size = head.count }
/// ```
public struct Delimited: Framing {
    @usableFromInline let delimiter: InlineArray<16, UInt8>
    /// The number of bytes of the delimiter.
    public let overheadByteCount: Int
    /// The most bytes of a frame, without the delimiter.
    public let maximumByteCount: Int

    /// - Parameters:
    ///   - delimiter: 1 to 16 bytes; another number traps.
    ///   - maximumByteCount: the most bytes of a frame without the delimiter, 1 to 2,147,483,647; another one traps.
    public init(_ delimiter: [UInt8], maximumByteCount: Int = 65_536) {
        precondition(!delimiter.isEmpty && delimiter.count <= 16, "a delimiter has 1 to 16 bytes")
        self.delimiter = InlineArray { $0 < delimiter.count ? delimiter[$0] : 0 }
        overheadByteCount = delimiter.count
        self.maximumByteCount = FramingBounds.checked(maximumByteCount)
    }

    /// - Parameters:
    ///   - delimiter: 1 to 16 bytes of UTF-8; another number traps.
    ///   - maximumByteCount: the most bytes of a frame without the delimiter, 1 to 2,147,483,647; another one traps.
    public init(_ delimiter: String, maximumByteCount: Int = 65_536) {
        self.init(Array(delimiter.utf8), maximumByteCount: maximumByteCount)
    }

    @inlinable
    public func search(_ bytes: RawSpan, from searched: Int) throws(FramingError) -> FrameSearch {
        // The last place where a delimiter could begin, and be whole.
        let last = bytes.byteCount - overheadByteCount
        var offset = searched
        while offset <= last, let start = bytes.firstOffset(of: delimiter[0], from: offset), start <= last {
            if isDelimiter(bytes, at: start) { return .frame(payload: 0..<start, end: start + overheadByteCount) }
            offset = start + 1
        }
        return .unknown(searched: max(searched, last + 1))
    }

    /// At most 15 comparisons, so a search is linear whatever the bytes are.
    @inlinable
    func isDelimiter(_ bytes: RawSpan, at start: Int) -> Bool {
        var index = 1
        while index < overheadByteCount {
            if bytes.byte(at: start + index) != delimiter[index] { return false }
            index += 1
        }
        return true
    }
}

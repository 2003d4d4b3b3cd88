/// A rule that tells where a frame of a byte stream begins and ends: ``LengthPrefixed``, ``Lines``, ``Delimited``,
/// ``FixedSize``, or one of your own. ``FrameBuffer`` cuts a stream by it.
///
/// A rule is a value without memory of the stream: the same bytes give the same answer. It is a generic parameter, never
/// an existential, so its calls are specialised in your module. A rule of your own:
///
/// ```swift
/// /// One byte of type, one byte of length, the payload.
/// struct TypeLengthValue: Framing {
///     let maximumByteCount = 257  // the type and the length are part of the frame
///
///     func search(_ bytes: RawSpan, from searched: Int) throws(FramingError) -> FrameSearch {
///         guard bytes.byteCount >= 2 else { return .unknown(searched: 0) }
///         let end = 2 + Int(bytes.byte(at: 1))
///         return end <= bytes.byteCount ? .frame(payload: 0..<end, end: end) : .incomplete(end: end)
///     }
/// }
/// ```
public protocol Framing: Sendable {
    /// The most bytes of a frame without header and delimiter. ``FrameBuffer`` refuses a larger one.
    var maximumByteCount: Int { get }

    /// The most bytes that header and delimiter add to a frame: 0 unless the rule says otherwise. ``FrameBuffer`` keeps at
    /// most the sum of both.
    var overheadByteCount: Int { get }

    /// Looks for the first frame.
    /// - Parameters:
    ///   - bytes: the stream from where the frame begins: at least one byte, and at most ``maximumByteCount`` +
    ///     ``overheadByteCount``. A call that follows `unknown` is given the same bytes again, and more behind them.
    ///   - searched: the number of the last `unknown` for this frame, at first 0.
    /// - Throws: the reason why these bytes are no frame. The stream is given up then.
    /// - Complexity: should be O(new bytes), so that a peer that sends byte by byte costs no more than another one.
    func search(_ bytes: RawSpan, from searched: Int) throws(FramingError) -> FrameSearch
}

extension Framing {
    @inlinable
    public var overheadByteCount: Int { 0 }

    /// The most bytes that ``FrameBuffer`` keeps: the sum of both bounds, at least 1.
    @inlinable
    var encodedByteCountMax: Int {
        let (sum, overflow) = maximumByteCount.addingReportingOverflow(overheadByteCount)
        if overflow { return maximumByteCount < 0 ? 1 : .max }
        return max(1, sum)
    }
}

/// The result of a search for the first frame.
public enum FrameSearch: Hashable, Sendable {
    /// A whole frame of `end` bytes, from 1 to as many as there are. `payload` is the part that the application is
    /// interested in.
    case frame(payload: Range<Int>, end: Int)
    /// The frame has `end` bytes, more than there are.
    case incomplete(end: Int)
    /// The end is not known yet. The first `searched` bytes need not be searched again.
    case unknown(searched: Int)
}

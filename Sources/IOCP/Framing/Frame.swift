/// One frame of a stream, for as long as the received bytes that it ends in.
///
/// A frame that came in one receive lies in the received bytes. A frame that was split lies in memory of the buffer,
/// which the frame shares: it stays unchanged when the buffer goes on.
///
/// To keep a frame longer, copy it: `[UInt8](frame.bytes)`.
/// - Complexity: O(1); never allocates.
@frozen
public struct Frame: ~Escapable {
    /// The whole frame; empty if it was split.
    @usableFromInline let inPlace: RawSpan
    /// The whole frame if it was split.
    @usableFromInline let joined: [UInt8]?
    @usableFromInline let payload: Range<Int>

    @inlinable
    @inline(__always)
    @_lifetime(copy inPlace)
    init(inPlace: RawSpan, payload: Range<Int>) {
        self.inPlace = inPlace
        joined = nil
        self.payload = payload
    }

    @inlinable
    @_lifetime(copy input)
    init(joined: [UInt8], payload: Range<Int>, endingIn input: RawSpan) {
        inPlace = input.extracting(first: 0)
        self.joined = joined
        self.payload = payload
    }

    /// The frame without header and delimiter.
    @inlinable
    public var bytes: RawSpan {
        @_lifetime(borrow self)
        @inline(__always)
        get {
            // Within bounds: FrameBuffer checked it.
            let bytes = unsafe encoded.extracting(unchecked: payload)
            return unsafe _overrideLifetime(bytes, borrowing: self)
        }
    }

    /// The frame as it came, with header and delimiter: send it to pass the frame on.
    @inlinable
    public var encoded: RawSpan {
        @_lifetime(borrow self)
        @inline(__always)
        get {
            guard let joined else { return inPlace }
            let bytes = unsafe joined.span.bytes
            return unsafe _overrideLifetime(bytes, borrowing: self)
        }
    }

    /// The number of ``bytes``.
    @inlinable
    public var count: Int { payload.count }

    /// An empty frame is a frame: a length of 0, or an empty line.
    @inlinable
    public var isEmpty: Bool { payload.isEmpty }
}

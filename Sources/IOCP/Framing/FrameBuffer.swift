/// Cuts the received bytes of one connection into frames, and keeps the beginning of a frame that was split over receives.
///
/// Keep it in the connection's state, and let each receive run through it:
///
/// ```swift
/// import IOCP
///
/// struct FrameEcho: ConnectionHandler {
///     func makeState() -> FrameBuffer<LengthPrefixed> { FrameBuffer(LengthPrefixed(.four)) }
///
///     func received(_ bytes: RawSpan, on connection: IocpContext<FrameBuffer<LengthPrefixed>>) throws(IOCPError) {
///         var input = bytes
///         while let frame = try connection.state.next(in: &input) {
///             try connection.send(frame.encoded)  // frame.bytes is the payload alone
///         }
///     }
/// }
/// ```
///
/// A frame that came whole is not copied: it lies in the received bytes. A split frame is copied into memory of the
/// buffer. That memory grows by doubling with the bytes that came, up to the rule's bounds, and is given back after the
/// frame if it is over 512 bytes. The frames are the same however the stream was split.
///
/// Let the loop run until there is no frame. If it ends early, `input` holds the bytes that are left, and the buffer will
/// not see them again: hand them on (another rule may cut what follows), or end the connection. An error that leaves the
/// loop and the handler does that.
///
/// Thread: as the state it is part of.
public struct FrameBuffer<Rule: Framing>: Sendable {
    /// The rule that cuts the stream.
    public let framing: Rule
    @usableFromInline var phase = FrameBufferPhase.between
    @usableFromInline var split = SplitFrame()

    /// The error that ended the stream, once there was one; every further ``next(in:)`` throws it.
    public private(set) var failure: FramingError?

    /// An empty buffer, at the start of a stream. O(1); allocates nothing before a frame is split.
    @inlinable
    public init(_ framing: Rule) {
        self.framing = framing
    }

    /// Takes the first frame from the front of the input.
    ///
    /// - Parameter input: received bytes that no earlier call took. If the result is nil, all of them were taken.
    /// - Returns: a frame, or nil if the input ends before the next frame does.
    /// - Throws: EMSGSIZE if a frame is larger than the rule's maximum, EBADMSG if the bytes are no frame, EPROTO if the
    ///   rule contradicts itself, with the operation `framing`. ``failure`` has the numbers. The stream cannot be cut any
    ///   more: every further call throws the same, and the memory is given back.
    /// - Complexity: O(the bytes taken), over any number of calls. Allocates nothing for a frame that came whole.
    @inlinable
    @_lifetime(copy input)
    public mutating func next(in input: inout RawSpan) throws(IOCPError) -> Frame? {
        do throws(FramingError) {
            guard phase == .between else { return try nextAfterSplit(in: &input) }
            return try nextInPlace(in: &input)
        } catch {
            throw fail(error)
        }
    }

    /// Bytes of a frame whose end has not come yet; 0 between two frames. The place to ask is
    /// ``ConnectionHandler/peerFinished(_:)``: more than 0 says that the peer ended within a frame.
    public var unfinishedByteCount: Int { phase == .split ? split.bytes.count : 0 }

    /// Takes the bytes of a frame whose end has not come: a last line without a line feed, when the peer has finished.
    /// The next frame begins with the next byte.
    public mutating func takeUnfinished() -> [UInt8] {
        guard phase == .split else { return [] }
        phase = .between
        return split.take()
    }

    /// Bytes of memory that are reserved for split frames: at most the sum of the rule's bounds, rounded up by the
    /// allocator.
    public var memoryByteCount: Int { split.bytes.capacity }
}

/// The state of a ``FrameBuffer``.
@usableFromInline
enum FrameBufferPhase: Sendable {
    /// Nothing: the next byte begins a frame.
    case between
    /// The beginning of a frame.
    case split
    /// A frame that the last call returned.
    case delivered
    /// Nothing any more: an error ended the stream.
    case failed
}

extension FrameBuffer {
    /// Nothing is held: looks at the received bytes where they lie.
    @inlinable
    @inline(__always)
    @_lifetime(copy input)
    mutating func nextInPlace(in input: inout RawSpan) throws(FramingError) -> Frame? {
        if input.isEmpty { return nil }
        let limit = framing.encodedByteCountMax
        // The rule sees no more than the largest frame: bytes behind it must not change the result.
        let window = input.extracting(first: limit)
        switch try search(window, from: 0) {
        case .frame(let payload, let end):
            let frame = unsafe Frame(inPlace: input.extracting(unchecked: 0..<end), payload: payload)
            input = unsafe input.extracting(unchecked: end..<input.byteCount)
            return frame
        case .incomplete(let end):
            split.end = end
        case .unknown(let searched):
            split.searched = searched
        }
        // The window ends before the frame does, so it is shorter than the limit: it is the whole input.
        split.begin(with: input, limit: limit)
        phase = .split
        input = input.extracting(last: 0)
        return nil
    }

    /// Something is held: joins the frame there, and only that one.
    @inlinable
    @inline(never)
    @_lifetime(copy input)
    mutating func nextAfterSplit(in input: inout RawSpan) throws(FramingError) -> Frame? {
        if let failure { throw failure }
        if phase == .delivered {
            split.clear()
            phase = .between
            return try nextInPlace(in: &input)
        }
        while !input.isEmpty {
            let before = split.bytes.count
            let copied = split.copy(from: input, limit: framing.encodedByteCountMax)
            guard split.bytes.count >= split.end else {
                input = input.extracting(last: 0)
                return nil
            }
            switch try search(unsafe split.bytes.span.bytes, from: split.searched) {
            case .frame(let payload, let end):
                guard end > before else { throw .inconsistent }
                input = input.extracting(droppingFirst: end - before)
                split.cut(at: end)
                phase = .delivered
                return Frame(joined: split.bytes, payload: payload, endingIn: input)
            case .incomplete(let end):
                split.end = end
            case .unknown(let searched):
                (split.searched, split.end) = (searched, 0)
            }
            input = input.extracting(droppingFirst: copied)
        }
        return nil
    }

    /// Asks the rule, and believes nothing: a wrong rule must not end the process, whatever a peer sends.
    @inlinable
    @inline(__always)
    func search(_ bytes: RawSpan, from searched: Int) throws(FramingError) -> FrameSearch {
        let found = try framing.search(bytes, from: searched)
        let limit = framing.encodedByteCountMax
        switch found {
        case .frame(let payload, let end):
            guard payload.lowerBound >= 0, payload.upperBound <= end, end > 0, end <= bytes.byteCount else {
                throw .inconsistent
            }
            if payload.count > framing.maximumByteCount { throw tooLarge(payload.count) }
        case .incomplete(let end):
            guard end > bytes.byteCount else { throw .inconsistent }
            if end > limit { throw tooLarge(nil) }
        case .unknown(let searched):
            guard searched >= 0, searched <= bytes.byteCount else { throw .inconsistent }
            if bytes.byteCount >= limit { throw tooLarge(nil) }
        }
        return found
    }

    @usableFromInline
    func tooLarge(_ byteCount: Int?) -> FramingError {
        .frameTooLarge(byteCount: byteCount.map(UInt64.init), maximum: framing.maximumByteCount)
    }

    /// Gives the stream up, or says once more that it is given up.
    @usableFromInline
    mutating func fail(_ error: FramingError) -> IOCPError {
        phase = .failed
        split = SplitFrame()
        failure = error
        return IOCPError(error)
    }
}

/// Frames that all have the same number of bytes, without anything between them.
///
/// ```swift
/// var ticks = FrameBuffer(FixedSize(24))
/// while let tick = try ticks.next(in: &input) { total += tick.count }
/// ```
public struct FixedSize: Framing {
    /// The size of every frame, which is the largest and the smallest at once.
    public let maximumByteCount: Int

    /// - Parameter byteCount: 1 to 2,147,483,647; another one traps.
    @inlinable
    public init(_ byteCount: Int) {
        maximumByteCount = FramingBounds.checked(byteCount)
    }

    @inlinable
    public var overheadByteCount: Int { 0 }

    @inlinable
    public func search(_ bytes: RawSpan, from searched: Int) throws(FramingError) -> FrameSearch {
        bytes.byteCount < maximumByteCount
            ? .incomplete(end: maximumByteCount) : .frame(payload: 0..<maximumByteCount, end: maximumByteCount)
    }
}

/// The bounds of the rules' numbers. They are the application's own, never a peer's, so a broken one traps.
@usableFromInline
enum FramingBounds {
    @usableFromInline static let maximum = 2_147_483_647

    @usableFromInline
    static func checked(_ byteCount: Int) -> Int {
        precondition(byteCount >= 1 && byteCount <= maximum, "a frame has at most 1 to 2,147,483,647 bytes")
        return byteCount
    }
}

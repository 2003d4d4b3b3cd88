/// Frames that begin with the number of bytes that follow.
///
/// ```swift
/// let framing = LengthPrefixed(.two, .littleEndian, maximumByteCount: 1_024)
/// var frames = FrameBuffer(framing)
/// while let frame = try frames.next(in: &input) { total += frame.count }
/// ```
///
/// A length of 0 is an empty frame. Other lengths that are refused: one over ``maximumByteCount`` with EMSGSIZE, before
/// any memory is taken for it; a varint of over 64 bits or of more bytes than it needs with EBADMSG.
public struct LengthPrefixed: Framing {
    /// How many bytes the length has.
    public enum Width: Int, Hashable, Sendable {
        /// One byte: frames of up to 255 bytes.
        case one = 1
        /// Two bytes: up to 65,535.
        case two = 2
        /// Four bytes: up to 4 GiB - 1.
        case four = 4
        /// Eight bytes.
        case eight = 8
        /// 1 to 10: the LEB128 of protocol buffers, seven bits a byte and the least first.
        case varint = 0
    }

    /// Which byte of the length comes first. A varint and a single byte have no order.
    public enum ByteOrder: Hashable, Sendable {
        /// The most significant one: network order.
        case bigEndian
        /// The least significant one.
        case littleEndian
    }

    /// How many bytes the length has.
    public let width: Width
    /// Which byte of the length comes first.
    public let order: ByteOrder
    /// Whether the length counts its own bytes, too.
    public let countsPrefix: Bool
    /// The most bytes of a frame, without its prefix.
    public let maximumByteCount: Int

    /// - Parameters:
    ///   - countsPrefix: whether the length counts its own bytes, too. A smaller length is refused with EBADMSG then.
    ///   - maximumByteCount: the most bytes of a frame without its prefix, 1 to 2,147,483,647; another one traps.
    @inlinable
    public init(
        _ width: Width, _ order: ByteOrder = .bigEndian, countsPrefix: Bool = false,
        maximumByteCount: Int = 65_536
    ) {
        self.width = width
        self.order = order
        self.countsPrefix = countsPrefix
        self.maximumByteCount = FramingBounds.checked(maximumByteCount)
    }

    @inlinable
    public var overheadByteCount: Int { width == .varint ? LengthPrefix.byteCountMax : width.rawValue }

    @inlinable
    public func search(_ bytes: RawSpan, from searched: Int) throws(FramingError) -> FrameSearch {
        let length: UInt64
        var prefix = width.rawValue
        switch width {
        case .varint:
            guard let varint = try Varint(bytes) else { return .unknown(searched: 0) }
            (length, prefix) = (varint.value, varint.byteCount)
        case _ where bytes.byteCount < prefix: return .unknown(searched: 0)
        case .one: length = UInt64(bytes.byte(at: 0))
        case .two: length = UInt64(ordered(unsafe bytes.unsafeLoadUnaligned(as: UInt16.self)))
        case .four: length = UInt64(ordered(unsafe bytes.unsafeLoadUnaligned(as: UInt32.self)))
        case .eight: length = ordered(unsafe bytes.unsafeLoadUnaligned(as: UInt64.self))
        }
        let counted = countsPrefix ? UInt64(prefix) : 0
        guard length >= counted else { throw .lengthTooSmall(length, minimum: prefix) }
        guard length - counted <= UInt64(maximumByteCount) else {
            throw .frameTooLarge(byteCount: length - counted, maximum: maximumByteCount)
        }
        let end = prefix + Int(length - counted)
        return end <= bytes.byteCount ? .frame(payload: prefix..<end, end: end) : .incomplete(end: end)
    }

    @inlinable
    @inline(__always)
    func ordered<Number: FixedWidthInteger>(_ number: Number) -> Number {
        order == .bigEndian ? Number(bigEndian: number) : Number(littleEndian: number)
    }
}

/// A length in the LEB128 of protocol buffers.
@usableFromInline
struct Varint {
    @usableFromInline let value: UInt64
    @usableFromInline let byteCount: Int

    /// The first bytes; nil if they end within the varint.
    /// - Throws: `varintTooLarge` for more than 64 bits, `varintOverlong` for more bytes than the value needs: each length
    ///   has one encoding, so that two programs never see different frames.
    @inlinable
    init?(_ bytes: RawSpan) throws(FramingError) {
        var value: UInt64 = 0
        var index = 0
        while index < bytes.byteCount {
            let byte = bytes.byte(at: index)
            // The tenth byte has room for one bit.
            if index == LengthPrefix.byteCountMax - 1, byte > 1 { throw .varintTooLarge }
            value |= UInt64(byte & 0x7F) &<< UInt64(7 * index)
            index += 1
            if byte < 0x80 {
                if byte == 0, index > 1 { throw .varintOverlong }
                self.value = value
                byteCount = index
                return
            }
        }
        return nil
    }
}

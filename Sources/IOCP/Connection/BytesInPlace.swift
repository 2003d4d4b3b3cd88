#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Reading bytes where they lie.
///
/// ```swift
/// let isReply = bytes.byte(at: 0) == 1
/// let comma = bytes.firstOffset(of: 0x2C)
/// let price = bytes.bigEndian(UInt64.self, at: 8)
/// ```
extension RawSpan {
    /// One byte. An offset outside of the bytes traps, so compare a peer's numbers with `byteCount` first.
    @inlinable
    public func byte(at offset: Int) -> UInt8 { unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self) }

    /// The first byte; nil if there is none.
    @inlinable
    public var first: UInt8? { isEmpty ? nil : byte(at: 0) }

    /// Where a byte comes first, from an offset on; nil if it does not. O(count), by `memchr(3)`.
    /// - Parameter start: 0 to `byteCount`; another one traps if it is below 0, and finds nothing if it is above.
    public func firstOffset(of byte: UInt8, from start: Int = 0) -> Int? {
        unsafe extracting(droppingFirst: start).withUnsafeBytes { bytes -> Int? in
            guard let first = bytes.baseAddress, let found = unsafe memchr(first, Int32(byte), bytes.count) else {
                return nil
            }
            return unsafe start + (UnsafeRawPointer(found) - first)
        }
    }

    /// An integer whose most significant byte comes first: network order. It need not be aligned.
    /// - Parameter offset: of its first byte. Bytes that are not all there trap, so compare a peer's numbers with
    ///   `byteCount` first.
    @inlinable
    public func bigEndian<Number: FixedWidthInteger & BitwiseCopyable>(_ type: Number.Type, at offset: Int) -> Number {
        unsafe Number(bigEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: type))
    }

    /// An integer whose least significant byte comes first. It need not be aligned.
    /// - Parameter offset: as of ``bigEndian(_:at:)``.
    @inlinable
    public func littleEndian<Number: FixedWidthInteger & BitwiseCopyable>(_ type: Number.Type, at offset: Int) -> Number
    {
        unsafe Number(littleEndian: unsafeLoadUnaligned(fromByteOffset: offset, as: type))
    }
}

/// Writing integers into a send; see ``ConnectionContext/send(capacity:_:)``.
///
/// ```swift
/// try connection.send(capacity: 6) { output in
///     output.append(bigEndian: kind)
///     output.append(bigEndian: sequenceNumber)
/// }
/// ```
extension OutputRawSpan {
    /// Appends an integer's bytes, the most significant one first: network order. Traps if they do not fit.
    @inlinable
    public mutating func append(bigEndian number: some FixedWidthInteger & BitwiseCopyable) {
        append(littleEndian: number.byteSwapped)
    }

    /// Appends an integer's bytes, the least significant one first. Traps if they do not fit.
    @inlinable
    public mutating func append<Number: FixedWidthInteger & BitwiseCopyable>(littleEndian number: Number) {
        unsafe append(number.littleEndian, as: Number.self)
    }
}

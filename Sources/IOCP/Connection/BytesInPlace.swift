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
/// ```
extension RawSpan {
    /// One byte. An offset outside of the bytes traps, so compare a peer's numbers with `byteCount` first.
    @inlinable
    public func byte(at offset: Int) -> UInt8 { unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self) }

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
}

/// Copies of lent bytes, for use after the call.
///
/// ```swift
/// let copy = [UInt8](bytes)
/// bytes.append(to: &everything)
/// let text = String(decoding: bytes)
/// ```
extension Array where Element == UInt8 {
    /// Copies the bytes. O(count); allocates.
    @inlinable
    public init(_ bytes: RawSpan) {
        self = unsafe bytes.withUnsafeBytes { source in unsafe Array(source) }
    }
}

extension RawSpan {
    /// Appends a copy of the bytes to an array. O(count); allocates if the array's capacity is too small.
    @inlinable
    public func append(to array: inout [UInt8]) {
        unsafe withUnsafeBytes { source in unsafe array.append(contentsOf: source) }
    }
}

extension String {
    /// Copies the bytes as UTF-8; invalid ones are replaced by U+FFFD. O(count); allocates beyond 15 bytes.
    @inlinable
    public init(decoding bytes: RawSpan) {
        self = unsafe bytes.withUnsafeBytes { source in unsafe String(decoding: source, as: UTF8.self) }
    }
}

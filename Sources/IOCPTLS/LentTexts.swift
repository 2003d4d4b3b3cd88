import CIOCPTLS

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Copies of texts and bytes for one call of the C target. They may be keys: they are wiped before they are freed.
@safe
struct LentTexts: ~Copyable {
    private var copies: [UnsafeMutableRawBufferPointer] = unsafe []

    /// A text with a NUL behind it; nil for nil.
    mutating func text(_ text: String?) -> UnsafePointer<CChar>? {
        guard let text else { return nil }
        return unsafe bytes(Array(text.utf8) + [0]).start
    }

    mutating func bytes(_ bytes: [UInt8]) -> iocp_tls_bytes {
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 1)
        unsafe copy.copyBytes(from: bytes)
        unsafe copies.append(copy)
        return unsafe iocp_tls_bytes(
            start: UnsafeRawPointer(copy.baseAddress!).assumingMemoryBound(to: CChar.self), count_bytes: bytes.count)
    }

    mutating func release() {
        unsafe copies.forEach { copy in
            unsafe explicit_bzero(copy.baseAddress!, copy.count)
            unsafe copy.deallocate()
        }
        unsafe copies = []
    }
}

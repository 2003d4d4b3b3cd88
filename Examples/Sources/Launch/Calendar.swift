#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The time now as HTTP and mail write it: `Sun, 06 Nov 1994 08:49:37 GMT`.
public func internetDate() -> String {
    var (now, text) = (time(nil), [CChar](repeating: 0, count: 32))
    var parts = unsafe tm()
    unsafe gmtime_r(&now, &parts)
    let count = unsafe strftime(&text, text.count, "%a, %d %b %Y %H:%M:%S GMT", &parts)
    return String(decoding: text.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
}

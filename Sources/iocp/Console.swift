#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Standard output and standard error, a line at a time. Nothing is buffered: a reader sees a line when it is said.
enum Console {
    /// Writes a line to stdout.
    static func say(_ line: String) {
        write(line, to: STDOUT_FILENO)
    }

    /// Writes a line to stderr.
    static func note(_ line: String) {
        write(line, to: STDERR_FILENO)
    }

    /// Writes a line to stderr under the command's name.
    static func complain(_ line: String) {
        note("iocp: " + line)
    }

    private static func write(_ line: String, to descriptor: Int32) {
        let text = Array((line + "\n").utf8)
        var written = 0
        unsafe text.withUnsafeBytes { bytes in
            while written < bytes.count {
                let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[written...])
                #if canImport(Glibc)
                let count = unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
                #else
                let count = unsafe Musl.write(descriptor, rest.baseAddress, rest.count)
                #endif
                if count < 0 && errno != EINTR { return }
                written += max(0, count)
            }
        }
    }
}

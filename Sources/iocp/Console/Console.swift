#if Command
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Standard output and standard error, a line at a time. Nothing is buffered: a reader sees a line when it is said.
enum Console {
    /// Writes a line to stdout. Where that fails nobody gets what the command is for: it ends with status 1, and one line
    /// on stderr.
    static func say(_ line: String) {
        let code = write(line + "\n", to: STDOUT_FILENO)
        guard code != 0 else { return }
        complain("cannot write to stdout: \(unsafe String(cString: strerror(code)))")
        exit(1)
    }

    /// Writes a line to stderr. Where that fails there is nobody to tell.
    static func note(_ line: String) {
        _ = write(line + "\n", to: STDERR_FILENO)
    }

    /// Writes a line to stderr under the command's name.
    static func complain(_ line: String) {
        note("iocp: " + line)
    }

    /// A reader of stdout that goes away is an error of the write, not the end of the process.
    static func ignoreBrokenPipes() {
        _ = signal(SIGPIPE, SIG_IGN)
    }

    // MARK: A line that is written over

    static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

    /// Writes over the terminal's current line, and over `width` characters that were there before.
    static func show(_ text: String, over width: Int = 0) {
        _ = write("\r" + text + String(repeating: " ", count: max(0, width - text.count)), to: STDERR_FILENO)
    }

    /// Writes to stdout what is no line. Returns whether that worked.
    static func show(raw text: String) -> Bool { write(text, to: STDOUT_FILENO) == 0 }

    /// Returns 0 or the error number.
    private static func write(_ text: String, to descriptor: Int32) -> Int32 {
        let bytes = Array(text.utf8)
        var written = 0
        while written < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { bytes in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[written...])
                #if canImport(Glibc)
                return unsafe Glibc.write(descriptor, rest.baseAddress, rest.count)
                #else
                return unsafe Musl.write(descriptor, rest.baseAddress, rest.count)
                #endif
            }
            if count >= 0 {
                written += count
                continue
            }
            let code = errno
            switch code {
            case EINTR: break
            case EAGAIN: waitForRoom(descriptor)
            default: return code
            }
        }
        return 0
    }

    /// Another program may have made a pipe or terminal non-blocking that it shares with this one.
    private static func waitForRoom(_ descriptor: Int32) {
        var entry = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        unsafe poll(&entry, 1, -1)
    }
}
#endif

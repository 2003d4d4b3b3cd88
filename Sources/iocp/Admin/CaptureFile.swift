#if Command
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The file that a capture is written to. What is said on connections is for its owner alone.
final class CaptureFile {
    private let descriptor: Int32
    private let name: String
    private var waiting: [UInt8] = []

    init(_ name: String, overwrites: Bool) throws {
        self.name = name
        guard name != "-" else {
            descriptor = STDOUT_FILENO
            guard isatty(STDOUT_FILENO) == 0 else {
                throw CommandFailure("a capture is not for a terminal: --output takes a file, or stdout a pipe")
            }
            return
        }
        descriptor = unsafe open(name, O_WRONLY | O_CREAT | O_CLOEXEC | (overwrites ? O_TRUNC : O_EXCL), 0o600)
        guard descriptor >= 0 else {
            let code = errno
            let why = code == EEXIST ? "it is there already; --force writes over it" : unsafe String(cString: strerror(code))
            throw CommandFailure("cannot write \(name.printable): \(why)")
        }
    }

    deinit {
        if descriptor >= 0, descriptor != STDOUT_FILENO { close(descriptor) }
    }

    func append(_ bytes: [UInt8]) { waiting += bytes }

    /// Writes what waits.
    func flush() throws {
        var offset = 0
        while offset < waiting.count {
            let count = unsafe waiting.withUnsafeBytes { bytes in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset...])
                return unsafe write(descriptor, rest.baseAddress, rest.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                throw CommandFailure("cannot write \(name == "-" ? "to stdout" : name.printable): \(unsafe String(cString: strerror(errno)))")
            }
            offset += count
        }
        waiting.removeAll(keepingCapacity: true)
    }
}
#endif

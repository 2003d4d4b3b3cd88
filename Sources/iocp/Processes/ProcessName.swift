#if Command
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The command name of a process, fit for a terminal.
///
/// A process chooses its own name (prctl(2), PR_SET_NAME), of up to 15 bytes of any kind. So every character that a terminal
/// would obey, hide or draw in two cells is replaced.
enum ProcessName {
    /// The name, or "?" for a process that is gone.
    static func of(_ processID: Int32) -> String {
        ProcFile.read("/proc/\(processID)/comm").map(shown) ?? "?"
    }

    /// At most 15 characters, each one cell wide.
    static func shown(_ raw: [UInt8]) -> String {
        let name = raw.last == UInt8(ascii: "\n") ? raw.dropLast() : raw[...]
        // A byte that belongs to no character of UTF-8 becomes U+FFFD.
        let text = String(decoding: name, as: UTF8.self)
        let cells = text.unicodeScalars.prefix(15).map { isPlain($0) ? Character($0) : "?" }
        return cells.isEmpty ? "?" : String(cells)
    }

    /// Letters, digits, punctuation and symbols up to the end of Cyrillic, and no mark that joins the character before it.
    /// The scripts behind have characters of two cells.
    private static func isPlain(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned,
            .nonspacingMark, .enclosingMark, .spacingMark:
            false
        default: scalar.value < 0x530 || scalar.value == 0xfffd
        }
    }
}

/// A small file of /proc.
enum ProcFile {
    /// The first 4 KiB, or nil where it cannot be read.
    static func read(_ path: String, in folder: Int32 = AT_FDCWD) -> [UInt8]? {
        let descriptor = unsafe openat(folder, path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 4_096)
        #if canImport(Glibc)
        let count = unsafe Glibc.read(descriptor, &bytes, bytes.count)
        #else
        let count = unsafe Musl.read(descriptor, &bytes, bytes.count)
        #endif
        return count < 0 ? nil : Array(bytes.prefix(count))
    }
}
#endif

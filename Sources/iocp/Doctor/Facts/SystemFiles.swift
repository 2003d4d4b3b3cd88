#if Command
import IOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The files of /proc and /sys, below a root that tests replace. Every read is bounded.
struct SystemFiles {
    /// "" for this system; no "/" at its end.
    let root: String

    /// Longer than any file that is read here. What is longer was not written by a kernel.
    private static let mostBytes = 64 << 10
    private static let mostNames = 4_096
    /// A word of a file that is shown to people has at most this many characters.
    private static let mostShown = 64

    var isThisSystem: Bool { root.isEmpty }

    func exists(_ path: String) -> Bool { unsafe access(root + path, F_OK) == 0 }

    func text(_ path: String) -> Reading<String> {
        // Without O_NONBLOCK a FIFO in the place of a file would be waited for.
        let descriptor = unsafe open(root + path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return .unknown(SystemFiles.reason(path, errno)) }
        defer { close(descriptor) }
        var status = stat()
        guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            return .unknown("\(path) is no file")
        }
        var bytes = [UInt8](repeating: 0, count: SystemFiles.mostBytes + 1)
        var filled = 0
        while filled < bytes.count {
            let count = unsafe bytes.withUnsafeMutableBytes { bytes in
                let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: bytes[filled...])
                return unsafe read(descriptor, rest.baseAddress, rest.count)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return .unknown(SystemFiles.reason(path, errno)) }
            if count == 0 { return .found(String(decoding: bytes[..<filled], as: UTF8.self)) }
            filled += count
        }
        return .unknown("\(path) is longer than \(Figure.bytes(UInt64(SystemFiles.mostBytes)))")
    }

    /// The text of a file that holds one word.
    func word(_ path: String) -> Reading<String> {
        text(path).flatMap { text in
            let words = text.split(whereSeparator: \.isWhitespace)
            guard words.count == 1 else { return .unknown("\(path) does not hold one word") }
            return .found(SystemFiles.shown(words[0]))
        }
    }

    func number(_ path: String) -> Reading<Int> {
        text(path).flatMap { text in
            Number.parse(text).map { .found($0) } ?? .unknown("\(path) does not hold a number")
        }
    }

    func numbers(_ path: String, count: Int) -> Reading<[Int]> {
        text(path).flatMap { text in
            Number.parse(text, count: count).map { .found($0) } ?? .unknown("\(path) does not hold \(count) numbers")
        }
    }

    func list(_ path: String) -> Reading<[Int]> {
        text(path).flatMap { text in
            NumberList.parse(text).map { .found($0) } ?? .unknown("\(path) does not hold a list of numbers")
        }
    }

    /// The names in a folder, in order; at most 4,096.
    func names(in folder: String) -> Reading<[String]> {
        guard let directory = unsafe opendir(root + folder) else {
            return .unknown(SystemFiles.reason(folder, errno))
        }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while names.count < SystemFiles.mostNames, let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return .found(names.sorted())
    }

    /// A piece of a file, fit to be shown: no control characters, and not long.
    static func shown(_ text: some StringProtocol) -> String {
        let start = String(text.prefix(mostShown))
        return (start.count < text.count ? start + "..." : start).printable
    }

    private static func reason(_ path: String, _ code: Int32) -> String {
        "\(path) cannot be read (\(unsafe String(cString: strerror(code))))"
    }
}
#endif

import Glibc

/// The lines that arrive on a non-blocking pipe.
struct LineReader: ~Copyable {
    let descriptor: Int32
    private(set) var isOpen = true
    private var bytes: [UInt8] = []

    /// A child that writes more than this without a newline is cut into lines of this length.
    private static let lineBytesMax = 1 << 20

    init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    /// Reads what is there now; notices the end of the stream.
    mutating func fill() {
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while isOpen && bytes.count < Self.lineBytesMax {
            let count = read(descriptor, &chunk, chunk.count)
            if count > 0 {
                bytes += chunk[..<count]
            } else if count < 0 && errno == EINTR {
                continue
            } else if count < 0 && errno == EAGAIN {
                return
            } else {
                isOpen = false
            }
        }
    }

    /// The next whole line without its newline, or the unfinished last one once the stream ended.
    mutating func nextLine() -> String? {
        if let end = bytes.firstIndex(of: UInt8(ascii: "\n")) {
            defer { bytes.removeSubrange(...end) }
            return String(decoding: bytes[..<end], as: UTF8.self)
        }
        guard !bytes.isEmpty, !isOpen || bytes.count >= Self.lineBytesMax else { return nil }
        defer { bytes.removeAll() }
        return String(decoding: bytes, as: UTF8.self)
    }
}

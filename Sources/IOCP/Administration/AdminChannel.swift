#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The socket of a client that is answered. It is closed when the value is released.
final class AdminChannel {
    private let descriptor: Int32
    /// A client that does not read is given up.
    private static let patienceMilliseconds: Int32 = 5_000

    /// Takes the descriptor over.
    init(_ descriptor: Int32) {
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }

    /// - Returns: false once the client is gone, or has not read for 5 s.
    func say(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return say(bytes, bytes.count)
    }

    /// The first `count` bytes.
    func say(_ bytes: [UInt8], _ count: Int) -> Bool {
        var offset = 0
        while offset < count {
            let sent = unsafe bytes.withUnsafeBytes { bytes in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset..<count])
                return unsafe send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            if sent > 0 {
                offset += sent
                continue
            }
            if errno == EINTR { continue }
            guard errno == EAGAIN, waits(for: POLLOUT, Self.patienceMilliseconds) else { return false }
        }
        return true
    }

    /// Waits.
    /// - Returns: whether the client has ended its side, or said more: it wants no more.
    func isEnded(within milliseconds: Int32) -> Bool { waits(for: POLLIN, milliseconds) }

    private func waits(for event: Int32, _ milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: descriptor, events: Int16(event), revents: 0)
        return unsafe poll(&entry, 1, milliseconds) > 0
    }
}

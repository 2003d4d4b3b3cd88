import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A client's side of an admin socket: one request, and its answer.
package final class AdminCall: Sendable {
    private let descriptor: Int32

    /// Connects and asks.
    /// - Throws: ENOENT and ECONNREFUSED where nobody listens, EACCES where this user may not connect.
    package init(_ address: UnixAddress, request: String) throws(IOCPError) {
        var raw = address.raw
        descriptor = unsafe iocp_side_connect(&raw)
        guard descriptor >= 0 else { throw IOCPError(code: descriptor, operation: .connect, detail: "\(address)") }
        let bytes = Array((request + "\n").utf8)
        guard unsafe send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else {
            throw IOCPError(code: errno, operation: .send, detail: "\(address)")
        }
    }

    deinit {
        if descriptor >= 0 { close(descriptor) }
    }

    /// Wants no more: what is under way still comes. Thread: any.
    package func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Waits for more of the answer, and appends it.
    /// - Returns: false at its end.
    package func read(onto bytes: inout [UInt8]) throws(IOCPError) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
            if count < 0, errno == EINTR { continue }
            // A server that ends with our request unread resets: then its answer has ended, too.
            if count < 0, errno != ECONNRESET { throw IOCPError(code: errno, operation: .receive) }
            bytes += buffer.prefix(max(0, count))
            return count > 0
        }
    }
}

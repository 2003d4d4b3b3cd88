import Glibc

/// A listener whose backlog is full and stays so: a connect to it is never answered.
package final class SilentListener: Sendable {
    package let port: Int
    private let fd: Int32
    private let clients: [Int32]

    /// - Parameters:
    ///   - host: the last byte of its address in 127.0.0.0/8, so that it can share a port with another.
    ///   - port: 0 takes a free one.
    package init(host: UInt8 = 1, port: Int = 0) throws {
        fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = (UInt32(0x7f00_0000) | UInt32(host)).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        var reuse: Int32 = 1
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
        let fd = fd
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(fd, $0, length) == 0 && listen(fd, 0) == 0 && getsockname(fd, $0, &length) == 0
            }
        }
        guard bound else { throw Refused(errno: errno) }
        self.port = Int(UInt16(bigEndian: address.sin_port))
        // A backlog of 0 holds one; further SYNs are dropped.
        clients = (0..<4).map { _ in
            let client = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | O_NONBLOCK | Int32(SOCK_CLOEXEC.rawValue), 0)
            _ = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(client, $0, length) }
            }
            return client
        }
    }

    /// Why the system gives no listener.
    package struct Refused: Error {
        package let errno: Int32
    }

    deinit {
        for client in clients { close(client) }
        close(fd)
    }
}

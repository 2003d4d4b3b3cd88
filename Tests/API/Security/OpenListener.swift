import Glibc
import Testing

/// A plain blocking listener on 127.0.0.1. Every accept is bounded by 10 s.
final class OpenListener: Sendable {
    let port: Int
    private let fd: Int32

    init() throws {
        fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let fd = fd
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(fd, $0, length) == 0 && listen(fd, 8) == 0 && getsockname(fd, $0, &length) == 0
            }
        }
        try #require(bound, "\(String(cString: strerror(errno)))")
        port = Int(UInt16(bigEndian: address.sin_port))
    }

    deinit { close(fd) }

    func accept() throws -> Peer {
        var accepted: Int32
        // On a thread that had a ring, the kernel's own work interrupts calls with a time limit.
        repeat { accepted = Glibc.accept(fd, nil, nil) } while accepted < 0 && errno == EINTR
        try #require(accepted >= 0, "accept: \(String(cString: strerror(errno)))")
        return Peer(accepted)
    }
}

import Foundation
import IOCP
import Testing

/// Removed with all that is in it.
final class TemporaryFolder {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "iocp-unix-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    var isEmpty: Bool { (try? FileManager.default.contentsOfDirectory(atPath: path).isEmpty) ?? true }
}

extension Peer {
    static func connect(unix address: UnixAddress, expecting expected: Int32 = 0) throws -> Peer {
        let fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        try #require(fd >= 0)
        let peer = Peer(fd)
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var error: Int32
        repeat {
            error = withName(address) { Glibc.connect(fd, $0, $1) == 0 ? 0 : errno }
        } while error == EINTR  // a signal while it waited for room in the backlog
        if expected != 0 {
            #expect(error == expected)
            throw Refused()
        }
        try #require(error == 0, "connect: \(String(cString: strerror(error)))")
        return peer
    }

    /// A socket that is bound there and does not listen.
    static func bound(_ address: UnixAddress) throws -> Int32 {
        let fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        try #require(fd >= 0 && withName(address) { bind(fd, $0, $1) } == 0)
        return fd
    }

    /// As a server that died leaves it: the file, and nobody behind it.
    static func leaveStale(_ address: UnixAddress) throws {
        Glibc.close(try bound(address))
    }

    private struct Refused: Error {}

    private static func withName(_ address: UnixAddress, _ call: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        let bytes = (address.isAbstract ? [0] : []) + address.bytes
        withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! + bytes.count)
        return withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { call($0, length) }
        }
    }
}

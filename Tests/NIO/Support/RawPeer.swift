#if NIO
import Foundation
import Glibc

/// A blocking client of the system's own calls.
struct RawPeer {
    let descriptor: Int32

    init(port: Int) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        _ = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    func send(_ text: String) { _ = Glibc.send(descriptor, text, text.utf8.count, Int32(MSG_NOSIGNAL)) }

    func finish() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Reads so many bytes on a thread of its own.
    func drain(_ count: Int) {
        Thread.detachNewThread {
            var room = [UInt8](repeating: 0, count: 1 << 20)
            var left = count
            while left > 0 {
                let step = recv(descriptor, &room, min(left, room.count), 0)
                if step <= 0 { return }
                left -= step
            }
        }
    }

    func reset() {
        var now = linger(l_onoff: 1, l_linger: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        close(descriptor)
    }
}
#endif

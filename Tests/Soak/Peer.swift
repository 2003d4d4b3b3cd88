#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A plain TCP client: what the server's peers are here. Closed with its last reference.
final class Peer {
    let fd: Int32

    /// Connects, blocking. At most 30 s for that and each later blocking call.
    /// - Parameter receiveBufferBytes: SO_RCVBUF; nil leaves it to the kernel.
    init(port: Int, receiveBufferBytes: Int32? = nil) throws {
        fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { throw Failure.system("socket") }
        if let receiveBufferBytes { try set(SOL_SOCKET, SO_RCVBUF, receiveBufferBytes) }
        try set(SOL_SOCKET, SO_RCVTIMEO, timeval(tv_sec: 30, tv_usec: 0))
        try set(SOL_SOCKET, SO_SNDTIMEO, timeval(tv_sec: 30, tv_usec: 0))
        try set(Int32(IPPROTO_TCP), TCP_NODELAY, Int32(1))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw Failure.system("connect") }
    }

    deinit { close(fd) }

    private func set<Value: BitwiseCopyable>(_ level: Int32, _ name: Int32, _ value: Value) throws {
        var value = value
        guard setsockopt(fd, level, name, &value, socklen_t(MemoryLayout<Value>.size)) == 0 else {
            throw Failure.system("setsockopt")
        }
    }

    /// The next close sends RST.
    func resetsOnClose() throws { try set(SOL_SOCKET, SO_LINGER, linger(l_onoff: 1, l_linger: 0)) }

    func becomeNonBlocking() { _ = fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) }

    func finishSending() { shutdown(fd, Int32(SHUT_WR)) }

    enum Step: Equatable {
        case bytes(Int)
        case wouldBlock, finished
        case failed(Int32)
    }

    /// Offers bytes once; takes what fits.
    func send(_ bytes: UnsafeRawBufferPointer, waiting: Bool = false) -> Step {
        let flags = Int32(MSG_NOSIGNAL) | (waiting ? 0 : Int32(MSG_DONTWAIT))
        return step(Glibc.send(fd, bytes.baseAddress, bytes.count, flags))
    }

    /// Reads once; `finished` is the server's FIN.
    func receive(into buffer: UnsafeMutableRawBufferPointer, waiting: Bool = false) -> Step {
        let count = recv(fd, buffer.baseAddress, buffer.count, waiting ? 0 : Int32(MSG_DONTWAIT))
        return count == 0 ? .finished : step(count)
    }

    private func step(_ count: Int) -> Step {
        if count >= 0 { return .bytes(count) }
        return errno == EAGAIN || errno == EINTR ? .wouldBlock : .failed(errno)
    }

    /// Waits for readiness. Returns what is ready, 0 when the time ran out.
    func poll(_ events: Int32, milliseconds: Int32) -> Int32 {
        var entry = pollfd(fd: fd, events: Int16(events), revents: 0)
        return Glibc.poll(&entry, 1, milliseconds) > 0 ? Int32(entry.revents) : 0
    }
}

#if Command
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A plain TCP client: what the server's peers are here. Closed with its last reference.
final class Peer {
    let fd: Int32

    /// Connects. At most 30 s for that and each later blocking call.
    /// - Parameters:
    ///   - receiveBufferBytes: SO_RCVBUF; nil leaves it to the kernel.
    ///   - number: peers of many are numbered, and each 4,096 connect from another loopback address: past 14,000 from
    ///     one, the kernel looks through every port of one parity at each connect.
    ///   - waiting: whether to wait until the connection stands. Without, the socket is non-blocking.
    init(port: Int, receiveBufferBytes: Int32? = nil, number: Int = 0, waiting: Bool = true) throws {
        let mode = waiting ? 0 : Int32(SOCK_NONBLOCK.rawValue)
        fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | mode, 0)
        guard fd >= 0 else { throw Failure.system("socket") }
        if let receiveBufferBytes { try set(SOL_SOCKET, SO_RCVBUF, receiveBufferBytes) }
        try set(SOL_SOCKET, SO_RCVTIMEO, timeval(tv_sec: 30, tv_usec: 0))
        try set(SOL_SOCKET, SO_SNDTIMEO, timeval(tv_sec: 30, tv_usec: 0))
        try set(Int32(IPPROTO_TCP), TCP_NODELAY, Int32(1))
        if number >= 4_096 {
            try set(Int32(IPPROTO_IP), IP_BIND_ADDRESS_NO_PORT, Int32(1))
            guard Peer.withLoopback(host: 1 + UInt32(number / 4_096), port: 0, { bind(fd, $0, $1) }) == 0 else {
                throw Failure.system("bind")
            }
        }
        let connected = Peer.withLoopback(host: 1, port: port) { connect(fd, $0, $1) }
        guard connected == 0 || (!waiting && errno == EINPROGRESS) else { throw Failure.system("connect") }
    }

    deinit { close(fd) }

    private static func withLoopback<Value>(
        host: UInt32, port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Value
    ) -> Value {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = (0x7f00_0000 + host).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    private func set<Value: BitwiseCopyable>(_ level: Int32, _ name: Int32, _ value: Value) throws {
        var value = value
        guard setsockopt(fd, level, name, &value, socklen_t(MemoryLayout<Value>.size)) == 0 else {
            throw Failure.system("setsockopt")
        }
    }

    /// The next close sends RST.
    func resetsOnClose() throws { try set(SOL_SOCKET, SO_LINGER, linger(l_onoff: 1, l_linger: 0)) }

    /// What became of a connect that was not waited for: 0 when it stands.
    var error: Int32 {
        var error: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno
    }

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
#endif

import Glibc
import Testing

/// A plain blocking TCP client: what the server's peers are in these tests. Every call is bounded by 10 s.
final class Peer: Sendable {
    let fd: Int32

    init(_ fd: Int32) {
        self.fd = fd
    }

    static func connect(port: Int, receiveBufferBytes: Int32? = nil, source: UInt32? = nil) throws -> Peer {
        let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        try #require(fd >= 0, "socket: \(String(cString: strerror(errno)))")
        let peer = Peer(fd)
        if var bytes = receiveBufferBytes {
            setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
        }
        peer.limitWaits()
        if let source {
            var local = sockaddr_in()
            local.sin_family = sa_family_t(AF_INET)
            local.sin_addr.s_addr = source.bigEndian
            _ = withUnsafePointer(to: &local) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
        let result = uninterrupted { Int(peer.connect(toLoopback: port)) }
        try #require(result == 0, "connect: \(String(cString: strerror(errno)))")
        return peer
    }

    /// Nil where it is refused, or reset before `connect` returns: by a listener that just closes, or over a limit.
    static func connectUnlessRefused(port: Int) -> Peer? {
        let peer = Peer(socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
        peer.limitWaits()
        return peer.connect(toLoopback: port) == 0 ? peer : nil
    }

    private func limitWaits() {
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    /// As connect(2).
    private func connect(toLoopback port: Int) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Glibc.connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// Whether a client is refused at once.
    static func isRefused(by port: Int) -> Bool {
        let peer = Peer(socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
        return peer.connect(toLoopback: port) < 0 && errno == ECONNREFUSED
    }

    deinit { Glibc.close(fd) }

    func send(_ bytes: some Collection<UInt8>) throws {
        let array = Array(bytes)
        var sent = 0
        while sent < array.count {
            let count = array.withUnsafeBytes { bytes in
                uninterrupted { Glibc.send(fd, bytes.baseAddress! + sent, array.count - sent, Int32(MSG_NOSIGNAL)) }
            }
            try #require(count > 0, "send: \(String(cString: strerror(errno)))")
            sent += count
        }
    }

    /// Up to `count` bytes; fewer only at the peer's end of stream.
    func receive(_ count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var received = 0
        while received < count {
            let step = bytes.withUnsafeMutableBytes { room in
                uninterrupted { recv(fd, room.baseAddress! + received, count - received, 0) }
            }
            try #require(step >= 0, "recv: \(String(cString: strerror(errno)))")
            if step == 0 { break }
            received += step
        }
        return Array(bytes.prefix(received))
    }

    /// What has arrived already, up to 256 KiB; nothing is waited for.
    func receiveWhatCame() throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 256 * 1024)
        let count = recv(fd, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        let error = count < 0 ? errno : 0
        try #require(error == 0 || error == EAGAIN, "recv: \(String(cString: strerror(error)))")
        return Array(bytes.prefix(max(0, count)))
    }

    /// Whether FIN is the next that comes, and came.
    func sawFinish() -> Bool {
        var byte: UInt8 = 0
        return recv(fd, &byte, 1, Int32(MSG_DONTWAIT | MSG_PEEK)) == 0
    }

    enum End: Equatable { case finished, reset, bytes, timeout }

    /// What comes next: FIN, RST, or more bytes.
    func end() -> End {
        var byte: UInt8 = 0
        switch uninterrupted({ recv(fd, &byte, 1, 0) }) {
        case 0: return .finished
        case 1: return .bytes
        default: return errno == ECONNRESET ? .reset : .timeout
        }
    }

    /// Whether something is there to receive, an end included, before the time is over.
    func answers(within limit: Duration) -> Bool { Peer.anyAnswers([self], within: limit) }

    static func anyAnswers(_ peers: [Peer], within limit: Duration) -> Bool {
        var entries = peers.map { pollfd(fd: $0.fd, events: Int16(POLLIN), revents: 0) }
        return poll(&entries, nfds_t(entries.count), Int32(limit / .milliseconds(1))) > 0
    }

    var localPort: UInt16 {
        var local = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &local) {
            _ = $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(fd, $0, &length) }
        }
        return UInt16(bigEndian: local.sin_port)
    }

    func finishSending() { shutdown(fd, Int32(SHUT_WR)) }

    /// The next close sends RST.
    func resetOnClose() {
        var option = linger(l_onoff: 1, l_linger: 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &option, socklen_t(MemoryLayout<linger>.size))
    }
}

/// Repeats a call that was interrupted: on a thread that had a ring, the kernel's own work interrupts calls with a time
/// limit.
private func uninterrupted(_ call: () -> Int) -> Int {
    while true {
        let result = call()
        if result >= 0 || errno != EINTR { return result }
    }
}

/// `count` bytes that look random, the same for the same seed: a stretch of one table, so that a sanitizer's tests do
/// not spend their time making them. At most 9 MiB.
func pattern(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    let offset = Int(seed &* 0x9e37_79b9_7f4a_7c15 % 65_521)
    return Array(patternTable[offset..<offset + count])
}

private let patternTable: [UInt8] = {
    var words = [UInt64](repeating: 0, count: 9 << 17)
    var state: UInt64 = 0x9e37_79b9_7f4a_7c15
    for index in words.indices {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        words[index] = state
    }
    return words.withUnsafeBytes { Array($0) }
}()

/// Runs `body` on `count` threads of their own and waits for all; the first error is rethrown.
func onThreads(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        for index in 0..<count {
            group.addTask {
                try await withCheckedThrowingContinuation { Job(done: $0) { try body(index) }.start() }
            }
        }
        try await group.waitForAll()
    }
}

/// A detached thread: blocking calls must not take the cooperative pool's few.
private final class Job: @unchecked Sendable {
    // @unchecked: handed from the starting thread to the started one.
    private let done: CheckedContinuation<Void, any Error>
    private var body: (() throws -> Void)?

    init(done: CheckedContinuation<Void, any Error>, _ body: @escaping @Sendable () throws -> Void) {
        (self.done, self.body) = (done, body)
    }

    func start() {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self).toOpaque()
        pthread_create(&thread, nil, { Unmanaged<Job>.fromOpaque($0!).takeRetainedValue().run(); return nil }, context)
        pthread_detach(thread)
    }

    private func run() {
        let result = Result { try body!() }
        body = nil // what it captured is gone before anybody looks for leaks
        done.resume(with: result)
    }
}

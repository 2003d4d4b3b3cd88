import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Answers `GET /metrics` by HTTP/1.1 with the counters of one port, as Prometheus reads them: see ``PrometheusText``.
///
/// It has one thread and plain sockets of its own. The workers do nothing for it, and it answers while all of them stall. It
/// serves at most 16 clients at a time, of which the oldest is cut for a new one. A client has 5 s and 4 KiB for its request,
/// and every answer ends its connection. There is no TLS and no password: listen where only the collector comes from.
///
/// It ends when it is closed or released, when the port is released, and once the port has stopped and every worker has
/// ended; so a drain can be watched.
public final class MetricsEndpoint: Sendable {
    /// Where it answers, with the port that was chosen.
    public let address: SocketAddress
    /// This end of a pair of sockets, until it is closed. The thread ends when it sees the end of its own, and closes that last.
    private let control: Mutex<Int32?>

    fileprivate init(_ address: SocketAddress, source: MetricsSource) throws(IOCPError) {
        let (listener, bound) = try MetricsEndpoint.listen(on: address)
        self.address = bound
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            let code = errno
            _ = MetricsEndpoint.closeDescriptor(listener)
            throw IOCPError(code: code, operation: .listen, detail: "\(address)")
        }
        control = Mutex(ends[0])
        let result = MetricsServer(listener: listener, control: ends[1], source: source).start()
        guard result == 0 else {
            for descriptor in [listener, ends[1]] { _ = MetricsEndpoint.closeDescriptor(descriptor) }
            throw IOCPError(code: result, operation: .thread, detail: "a thread for the metrics")
        }
    }

    deinit { close() }

    /// Stops answering: when it returns, the address is free and the thread has done its last. Calling it again changes nothing.
    public func close() {
        control.withLock { control in
            guard let end = control else { return }
            shutdown(end, Int32(SHUT_WR))
            var byte: UInt8 = 0
            while unsafe recv(end, &byte, 1, 0) < 0, errno == EINTR {}
            _ = MetricsEndpoint.closeDescriptor(end)
            control = nil
        }
    }

    private static func closeDescriptor(_ descriptor: Int32) -> Int32 {
        #if canImport(Glibc)
        Glibc.close(descriptor)
        #else
        Musl.close(descriptor)
        #endif
    }

    /// A socket that listens, and the address it has.
    private static func listen(on address: SocketAddress) throws(IOCPError) -> (Int32, SocketAddress) {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let listener = socket(address.isIPv6 ? AF_INET6 : AF_INET, kind, 0)
        guard listener >= 0 else { throw IOCPError(code: errno, operation: .listen, detail: "\(address)") }
        var on: Int32 = 1
        _ = unsafe setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        let result = unsafe address.withSockaddr { name, count in unsafe bind(listener, name, count) }
        if result == 0, Self.listen(listener, backlog: 16) == 0, let bound = SocketAddress(boundTo: listener) {
            return (listener, bound)
        }
        let code = errno
        _ = closeDescriptor(listener)
        throw IOCPError(code: code, operation: .listen, detail: "\(address)")
    }

    private static func listen(_ descriptor: Int32, backlog: Int32) -> Int32 {
        #if canImport(Glibc)
        Glibc.listen(descriptor, backlog)
        #else
        Musl.listen(descriptor, backlog)
        #endif
    }
}

/// Where an endpoint's text comes from. It does not keep the port.
struct MetricsSource: Sendable {
    /// nil once there is nothing to tell any more.
    let text: @Sendable () -> String?
    let isOver: @Sendable () -> Bool

    init(_ port: CompletionPort) {
        text = { [weak port] in port?.prometheusText() }
        isOver = { [weak port] in port?.hasEnded ?? true }
    }
}

extension CompletionPort {
    /// Answers `GET /metrics` at an address until the returned value is closed or released.
    /// - Parameter address: its port may be 0; ``MetricsEndpoint/address`` has the one that was chosen.
    /// - Throws: EADDRINUSE when another socket listens there, EADDRNOTAVAIL for an address that this machine does not have,
    ///   EACCES for a port that this user may not have, EAGAIN when no thread can be started.
    public func serveMetrics(on address: SocketAddress) throws(IOCPError) -> MetricsEndpoint {
        try MetricsEndpoint(address, source: MetricsSource(self))
    }

    /// Whether the port was told to stop and every worker has ended: such a worker's heartbeat is 0.
    fileprivate var hasEnded: Bool {
        isStopping && (0..<workerCount).allSatisfy { stats(ofWorker: $0).heartbeat == .zero }
    }
}

extension SocketAddress {
    /// What a socket is bound to, or nil with errno set.
    fileprivate init?(boundTo descriptor: Int32) {
        var storage = sockaddr_storage()
        var count = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let result = unsafe withUnsafeMutablePointer(to: &storage) { storage in
            unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
                unsafe getsockname(descriptor, name, &count)
            }
        }
        guard result == 0 else { return nil }
        if Int32(storage.ss_family) == AF_INET6 {
            let name = unsafe withUnsafeBytes(of: storage) { unsafe $0.load(as: sockaddr_in6.self) }
            let bytes = unsafe withUnsafeBytes(of: name.sin6_addr) { unsafe Array($0) }
            self.init(bytes: bytes, port: UInt16(bigEndian: name.sin6_port), scope: name.sin6_scope_id)
        } else {
            let name = unsafe withUnsafeBytes(of: storage) { unsafe $0.load(as: sockaddr_in.self) }
            let bytes = unsafe withUnsafeBytes(of: name.sin_addr) { unsafe Array($0) }
            self.init(bytes: bytes, port: UInt16(bigEndian: name.sin_port))
        }
    }

    /// Lends the address as the system takes it.
    fileprivate func withSockaddr(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var storage = sockaddr_storage()
        var count = socklen_t(MemoryLayout<sockaddr_in>.size)
        unsafe withUnsafeMutableBytes(of: &storage) { storage in
            if isIPv6 {
                var name = sockaddr_in6()
                name.sin6_family = sa_family_t(AF_INET6)
                name.sin6_port = UInt16(port).bigEndian
                name.sin6_scope_id = scope
                unsafe withUnsafeMutableBytes(of: &name.sin6_addr) { unsafe $0.copyBytes(from: addressBytes) }
                unsafe storage.storeBytes(of: name, as: sockaddr_in6.self)
                count = socklen_t(MemoryLayout<sockaddr_in6>.size)
            } else {
                var name = sockaddr_in()
                name.sin_family = sa_family_t(AF_INET)
                name.sin_port = UInt16(port).bigEndian
                unsafe withUnsafeMutableBytes(of: &name.sin_addr) { unsafe $0.copyBytes(from: addressBytes) }
                unsafe storage.storeBytes(of: name, as: sockaddr_in.self)
            }
        }
        return unsafe withUnsafePointer(to: &storage) { storage in
            unsafe storage.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe body($0, count) }
        }
    }
}

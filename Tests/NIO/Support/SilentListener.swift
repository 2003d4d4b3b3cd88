#if NIO
import Glibc
import Testing

/// A listener whose backlog is full and stays so: a connect to it is never answered.
final class SilentListener {
    let port: Int
    private let descriptor: Int32
    private let clients: [RawPeer]

    init() throws {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let descriptor = descriptor
        let listens = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen(descriptor, 0) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        try #require(listens)
        port = Int(UInt16(bigEndian: address.sin_port))
        // A backlog of 0 holds one; further SYNs are dropped.
        let port = port
        clients = (0..<3).map { _ in RawPeer(port: port, waits: false) }
    }

    deinit {
        for client in clients { close(client.descriptor) }
        close(descriptor)
    }
}
#endif

#if NIO
import Glibc
import IOCP
import NIOCore

typealias NIOAddress = NIOCore.SocketAddress
typealias PortAddress = IOCP.SocketAddress

extension Endpoint {
    /// - Throws: EAFNOSUPPORT for an address of another kind, EINVAL or ENAMETOOLONG for a path that names no socket.
    init(_ address: NIOAddress) throws {
        switch address {
        case .v4(let v4):
            let bytes = unsafe withUnsafeBytes(of: v4.address.sin_addr) { unsafe Array($0) }
            self = .tcp(PortAddress(bytes: bytes, port: UInt16(bigEndian: v4.address.sin_port))!)
        case .v6(let v6):
            let bytes = unsafe withUnsafeBytes(of: v6.address.sin6_addr) { unsafe Array($0) }
            self = .tcp(
                PortAddress(
                    bytes: bytes, port: UInt16(bigEndian: v6.address.sin6_port), scope: v6.address.sin6_scope_id)!)
        case .unixDomainSocket: self = .unix(try UnixAddress(path: address.pathname ?? ""))
        }
    }

    /// nil for an abstract name, which NIO's addresses do not have.
    var asNIO: NIOAddress? {
        switch self {
        case .tcp(let address): address.asNIO
        case .unix(let name):
            name.isAbstract ? nil : try? NIOAddress(unixDomainSocketPath: String(decoding: name.bytes, as: UTF8.self))
        }
    }
}

extension PortAddress {
    var asNIO: NIOAddress {
        if isIPv6 {
            var address = sockaddr_in6()
            address.sin6_family = sa_family_t(AF_INET6)
            address.sin6_port = UInt16(port).bigEndian
            address.sin6_scope_id = scope
            unsafe withUnsafeMutableBytes(of: &address.sin6_addr) { unsafe $0.copyBytes(from: addressBytes) }
            return NIOAddress(address)
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        unsafe withUnsafeMutableBytes(of: &address.sin_addr) { unsafe $0.copyBytes(from: addressBytes) }
        return NIOAddress(address)
    }

    /// 0.0.0.0 or ::, which says nothing of where a client connected to.
    var isWildcard: Bool { addressBytes.allSatisfy { $0 == 0 } }
}
#endif

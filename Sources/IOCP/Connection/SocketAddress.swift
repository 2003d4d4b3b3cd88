import CIOCP

/// An IPv4 or IPv6 address and a port.
public struct SocketAddress: Sendable {
    @usableFromInline let raw: iocp_address

    @usableFromInline
    init(raw: iocp_address) {
        self.raw = raw
    }

    /// An address by its bytes: 4 of IPv4, or 16 of IPv6, in network order. nil for another count.
    /// - Parameter scope: the interface of a link-local IPv6 address (`sin6_scope_id`, ipv6(7)); otherwise 0.
    public init?(bytes: [UInt8], port: UInt16, scope: UInt32 = 0) {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        var address = iocp_address()
        address.family_is_v6 = bytes.count == 16 ? 1 : 0
        address.port_be = port.bigEndian
        address.scope_id = bytes.count == 16 ? scope : 0
        unsafe withUnsafeMutableBytes(of: &address.bytes) { unsafe $0.copyBytes(from: bytes) }
        raw = address
    }

    /// What a connection's peer has, asked of the kernel.
    init(ofPeer connection: iocp_token, of worker: OpaquePointer) throws(IOCPError) {
        var address = iocp_address()
        try check(unsafe iocp_connection_peer(worker, connection, &address), .peerAddress)
        raw = address
    }

    /// What a connection has at this end, asked of the kernel.
    init(ofThisEnd connection: iocp_token, of worker: OpaquePointer) throws(IOCPError) {
        var address = iocp_address()
        try check(unsafe iocp_connection_local(worker, connection, &address), .localAddress)
        raw = address
    }

    /// The first of ``all(host:port:)``.
    public init(host: String, port: Int) throws(IOCPError) {
        guard let port = UInt16(exactly: port) else {
            throw IOCPError(code: 34 /* ERANGE */, operation: .resolve, detail: "\(port) is no TCP port")
        }
        var address = iocp_address()
        let result = unsafe iocp_address_resolve(host, port, &address)
        guard result >= 0 else { throw IOCPError(code: result, operation: .resolve, detail: host) }
        raw = address
    }

    /// Every address of a host, in the order of preference (RFC 6724), at most 16; a name may block on a resolver.
    /// - Throws: EINVAL for a host that names nothing, EAGAIN when the resolver gave no answer, EIO when its answer was a
    ///   failure, ERANGE for a port outside 0...65535.
    public static func all(host: String, port: Int) throws(IOCPError) -> [SocketAddress] {
        guard let port = UInt16(exactly: port) else {
            throw IOCPError(code: 34 /* ERANGE */, operation: .resolve, detail: "\(port) is no TCP port")
        }
        var found = [iocp_address](repeating: iocp_address(), count: Int(IOCP_ADDRESSES_MAX))
        let result = unsafe iocp_addresses_resolve(host, port, &found, UInt32(found.count))
        guard result >= 0 else { throw IOCPError(code: result, operation: .resolve, detail: host) }
        return found.prefix(Int(result)).map(SocketAddress.init(raw:))
    }

    /// The TCP port, 0 to 65,535.
    public var port: Int { Int(UInt16(bigEndian: raw.port_be)) }

    /// The numeric address: "127.0.0.1", "::1", "fe80::1%eth0".
    public var host: String {
        var address = raw
        return unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(IOCP_ADDRESS_TEXT_BYTES)) { text in
            unsafe iocp_address_format(&address, text.baseAddress, UInt32(IOCP_ADDRESS_TEXT_BYTES))
            return unsafe String(cString: text.baseAddress!)
        }
    }

    /// Whether this is an IPv6 address; otherwise it is an IPv4 address.
    public var isIPv6: Bool { raw.family_is_v6 != 0 }

    /// The 4 or 16 address bytes, in network order.
    public var addressBytes: [UInt8] {
        unsafe withUnsafeBytes(of: raw.bytes) { unsafe Array($0.prefix(isIPv6 ? 16 : 4)) }
    }

    /// The interface of a link-local IPv6 address (`sin6_scope_id`); otherwise 0.
    public var scope: UInt32 { raw.scope_id }

    /// The same address, another port.
    public func with(port: UInt16) -> SocketAddress {
        var address = raw
        address.port_be = port.bigEndian
        return SocketAddress(raw: address)
    }
}

extension SocketAddress: Hashable {
    public static func == (left: SocketAddress, right: SocketAddress) -> Bool {
        left.raw.port_be == right.raw.port_be && left.raw.scope_id == right.raw.scope_id
            && left.isIPv6 == right.isIPv6 && left.addressBytes == right.addressBytes
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(raw.port_be)
        hasher.combine(raw.scope_id)
        hasher.combine(addressBytes)
    }
}

extension SocketAddress: CustomStringConvertible {
    /// "127.0.0.1:4666", "[::1]:4666", "[fe80::1%eth0]:4666".
    public var description: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

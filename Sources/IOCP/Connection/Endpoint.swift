import CIOCP

/// What a socket listens on or connects to.
public enum Endpoint: Hashable, Sendable {
    /// An IP address and a TCP port.
    case tcp(SocketAddress)
    /// The name of a Unix socket.
    case unix(UnixAddress)

    init(raw: iocp_endpoint) {
        self = UnixAddress(raw: raw).map(Endpoint.unix) ?? .tcp(SocketAddress(raw: raw.address))
    }

    @usableFromInline
    var raw: iocp_endpoint {
        switch self {
        case .tcp(let address):
            var endpoint = iocp_endpoint()
            endpoint.kind = IOCP_ENDPOINT_TCP
            endpoint.address = address.raw
            return endpoint
        case .unix(let address):
            return address.raw
        }
    }
}

extension Endpoint: CustomStringConvertible {
    public var description: String {
        switch self {
        case .tcp(let address): address.description
        case .unix(let address): address.description
        }
    }
}

#if Service
public import IOCP

/// Where to listen, as an operator writes it: "0.0.0.0:4666", "[::]:4666", "localhost:4666", "unix:/run/service.sock",
/// "unix:@name" for an abstract name.
public enum ListenAddress: Hashable, Sendable {
    /// A name is listened on at every address it has; port 0 takes a free one.
    case tcp(host: String, port: Int)
    /// A Unix socket: a path, or an abstract name.
    case unix(UnixAddress)

    /// - Returns: nil for a text that is none.
    public init?(_ text: String) {
        if text.hasPrefix("unix:") {
            guard let address = try? UnixAddress(named: String(text.dropFirst(5))) else { return nil }
            self = .unix(address)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.first == "[" && host.last == "]" {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil  // which of its colons begins the port?
        }
        guard !host.isEmpty else { return nil }
        self = .tcp(host: String(host), port: Int(port))
    }
}

extension ListenAddress: CustomStringConvertible {
    public var description: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let address): "unix:\(address)"
        }
    }
}

extension CompletionPort {
    func listen(on address: ListenAddress, _ options: ListenOptions) throws(IOCPError) -> Listener {
        switch address {
        case .tcp(let host, let port): try listen(host: host, port: port, options: options)
        case .unix(let address): try listen(unix: address, options: options)
        }
    }
}
#endif

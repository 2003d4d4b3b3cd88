import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A socket option whose value is a number or a switch; see socket(7), tcp(7) and ip(7).
///
/// Those without a name here are made from the system's numbers: `SocketOption<Int>(level: SOL_SOCKET, name: SO_MARK)`.
/// How a connection ends is said by `close` and `abort`, so SO_LINGER is refused.
public struct SocketOption<Value: SocketOptionValue>: Hashable, Sendable {
    /// As of getsockopt(2): SOL_SOCKET, IPPROTO_TCP, ….
    public let level: Int32
    /// The option's number at its level: SO_MARK, TCP_NODELAY, ….
    public let name: Int32

    /// An option by the system's numbers. The system refuses one that it does not know, when it is asked for or set.
    public init(level: Int32, name: Int32) {
        (self.level, self.name) = (level, name)
    }

    var raw: iocp_socket_option { iocp_socket_option(level: level, name: name) }
}

/// What a ``SocketOption`` can be: `Bool` or `Int`, as the 32 bits of a C `int`.
public protocol SocketOptionValue: Hashable, Sendable {
    /// From the C `int` that getsockopt(2) answers.
    init(socketOption: Int32)
    /// nil: it does not fit.
    var socketOption: Int32? { get }
}

extension Bool: SocketOptionValue {
    public init(socketOption: Int32) { self = socketOption != 0 }
    public var socketOption: Int32? { self ? 1 : 0 }
}

extension Int: SocketOptionValue {
    public init(socketOption: Int32) { self = Int(socketOption) }
    public var socketOption: Int32? { Int32(exactly: self) }
}

extension SocketOption where Value == Bool {
    /// TCP_NODELAY: small sends leave at once. On for every connection, unless its listener says otherwise.
    public static var noDelay: Self { Self(level: Int32(IPPROTO_TCP), name: TCP_NODELAY) }
    /// TCP_QUICKACK: acknowledges at once. The kernel turns it off again by itself.
    public static var quickAcknowledgement: Self { Self(level: Int32(IPPROTO_TCP), name: TCP_QUICKACK) }
    /// SO_KEEPALIVE: asks a silent peer whether it is still there.
    public static var keepAlive: Self { Self(level: SOL_SOCKET, name: SO_KEEPALIVE) }
}

extension SocketOption where Value == Int {
    /// TCP_KEEPIDLE: the silence in seconds after which a peer is asked, 1...32,767.
    public static var keepAliveIdleSeconds: Self { Self(level: Int32(IPPROTO_TCP), name: TCP_KEEPIDLE) }
    /// TCP_KEEPINTVL: seconds between two questions, 1...32,767.
    public static var keepAliveIntervalSeconds: Self { Self(level: Int32(IPPROTO_TCP), name: TCP_KEEPINTVL) }
    /// TCP_KEEPCNT: unanswered questions that end the connection, 1...127.
    public static var keepAliveCount: Self { Self(level: Int32(IPPROTO_TCP), name: TCP_KEEPCNT) }
    /// SO_SNDBUF in bytes. The system doubles what it is told, and no longer tunes it.
    public static var sendBufferBytes: Self { Self(level: SOL_SOCKET, name: SO_SNDBUF) }
    /// SO_RCVBUF, likewise.
    public static var receiveBufferBytes: Self { Self(level: SOL_SOCKET, name: SO_RCVBUF) }
    /// TCP_USER_TIMEOUT: milliseconds after which unacknowledged bytes end the connection; 0: as long as TCP tries.
    public static var userTimeoutMilliseconds: Self { Self(level: Int32(IPPROTO_TCP), name: TCP_USER_TIMEOUT) }
    /// TCP_NOTSENT_LOWAT: bytes that wait in the socket without having been sent, beyond which it has no room.
    public static var notSentLowWatermarkBytes: Self { Self(level: Int32(IPPROTO_TCP), name: TCP_NOTSENT_LOWAT) }
    /// TCP_MAXSEG: the largest segment in bytes.
    public static var maximumSegmentBytes: Self { Self(level: Int32(IPPROTO_TCP), name: TCP_MAXSEG) }
    /// SO_PRIORITY, 0...6 for an ordinary user.
    public static var priority: Self { Self(level: SOL_SOCKET, name: SO_PRIORITY) }
    /// IP_TOS: type of service, or DSCP and ECN, of an IPv4 connection.
    public static var typeOfService: Self { Self(level: Int32(IPPROTO_IP), name: IP_TOS) }
    /// IPV6_TCLASS: the same of an IPv6 connection.
    public static var trafficClass: Self { Self(level: Int32(IPPROTO_IPV6), name: IPV6_TCLASS) }
}

extension ConnectionContext {
    /// The value of a socket option, asked of the kernel at each call.
    /// - Throws: as ``localAddress()``; ENOPROTOOPT for an option that this kind of socket does not have.
    public func option<Value>(_ option: SocketOption<Value>) throws(IOCPError) -> Value {
        try unsafe readOption(option, raw, token)
    }

    /// Sets a socket option of this connection. Options of all connections of a listener are cheaper in ``ListenOptions``.
    /// - Throws: as ``localAddress()``; EINVAL for a value out of the option's range and for SO_LINGER, ENOPROTOOPT for an
    ///   option that this kind of socket does not have, EPERM for one that needs a capability.
    public func setOption<Value>(_ option: SocketOption<Value>, to value: Value) throws(IOCPError) {
        try unsafe writeOption(option, value, raw, token)
    }
}

extension Worker {
    /// See ``ConnectionContext/option(_:)``.
    public func option<Value>(_ option: SocketOption<Value>, of connection: Connection) throws(IOCPError) -> Value {
        try unsafe readOption(option, raw, connection.token)
    }

    /// See ``ConnectionContext/setOption(_:to:)``.
    public func setOption<Value>(_ option: SocketOption<Value>, to value: Value, of connection: Connection)
        throws(IOCPError)
    {
        try unsafe writeOption(option, value, raw, connection.token)
    }
}

private func readOption<Value>(_ option: SocketOption<Value>, _ worker: OpaquePointer, _ token: iocp_token)
    throws(IOCPError) -> Value
{
    var raw = option.raw
    var value: Int32 = 0
    var count = UInt32(MemoryLayout<Int32>.size)
    try check(unsafe iocp_connection_get_option(worker, token, &raw, &value, &count), .socketOption)
    return Value(socketOption: value)
}

private func writeOption<Value>(
    _ option: SocketOption<Value>, _ value: Value, _ worker: OpaquePointer, _ token: iocp_token
) throws(IOCPError) {
    guard var written = value.socketOption else {
        throw IOCPError(code: IOCPError.invalid, operation: .socketOption)
    }
    var raw = option.raw
    let count = UInt32(MemoryLayout<Int32>.size)
    try check(unsafe iocp_connection_set_option(worker, token, &raw, &written, count), .socketOption)
}

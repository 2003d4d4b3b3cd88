import CIOCP

/// How a listener is bound, and the socket options its connections begin with: Linux hands them down to accepted sockets
/// (tcp(7), socket(7)). nil leaves a choice to the system.
///
/// What the system refuses, as an unknown congestion control, is thrown by `listen`.
public struct ListenOptions: Hashable, Sendable {
    /// Asks a silent peer whether it is still there. See tcp(7).
    public struct KeepAlive: Hashable, Sendable {
        /// The silence after which the peer is asked for the first time, in whole seconds: 1 s to 32,767 s.
        public var idle: Duration
        /// The time between two questions, in whole seconds: 1 s to 32,767 s.
        public var interval: Duration
        /// How many unanswered questions end the connection: 1...127.
        public var count: Int

        /// The bounds are checked by ``ListenOptions/validate()`` and by `listen`, not here.
        public init(idle: Duration, interval: Duration = .seconds(10), count: Int = 3) {
            (self.idle, self.interval, self.count) = (idle, interval, count)
        }
    }

    /// Clients that wait to be accepted, per worker: 1...65,536, and at most `net.core.somaxconn`; nil: the port's
    /// `listenBacklog`.
    public var backlog: Int?
    /// Whether `::` leaves IPv4 clients to others, so that `0.0.0.0` can listen on the same port. Otherwise it takes both,
    /// whatever `net.ipv6.bindv6only` says, unless the name has IPv4 addresses, too.
    public var ipv6Only = false
    /// TCP_NODELAY: replies are not held back for more (Nagle's algorithm). The flush gathers what a batch replies.
    public var noDelay = true
    /// SO_KEEPALIVE and its times; nil: silent peers are not asked.
    public var keepAlive: KeepAlive?
    /// SO_SNDBUF in bytes, which the system doubles and no longer tunes: 1...1 GiB.
    public var sendBufferBytes: Int?
    /// SO_RCVBUF in bytes, likewise.
    public var receiveBufferBytes: Int?
    /// TCP_CONGESTION: an algorithm of `net.ipv4.tcp_available_congestion_control`, at most 15 bytes.
    public var congestionControl: String?
    /// TCP_FASTOPEN: how many clients that sent data with their SYN may wait: 1...65,535.
    public var fastOpenQueue: Int?
    /// TCP_DEFER_ACCEPT: a client is accepted with its first bytes, or after this time: 1 s to one hour.
    public var deferAccept: Duration?
    /// SO_BINDTODEVICE: clients of this network interface alone, at most 15 bytes. Needs CAP_NET_RAW on old kernels.
    public var device: String?
    /// The permissions of a Unix socket's path, as 0o660; nil: as the umask has it.
    public var permissions: UInt16?
    /// What secures every connection; nil: they are in the clear.
    public var security: ConnectionSecurity?

    /// The defaults: TCP_NODELAY is on, and everything else is the system's choice.
    public init() {}

    /// Checks every bound, as `listen` does, and binds nothing.
    /// - Throws: ERANGE naming the option that is out of its bounds, with them.
    public func validate() throws(IOCPError) { _ = unsafe try raw() }

    /// - Throws: ERANGE with the bounds in its detail.
    func raw() throws(IOCPError) -> iocp_listen_options {
        var options = unsafe iocp_listen_options()
        unsafe options.v6_only = ipv6Only
        unsafe options.delays = !noDelay
        unsafe options.backlog = try number(backlog, "backlog", 1...65_536)
        unsafe options.send_buffer_bytes = try number(sendBufferBytes, "sendBufferBytes", 1...1 << 30)
        unsafe options.receive_buffer_bytes = try number(receiveBufferBytes, "receiveBufferBytes", 1...1 << 30)
        unsafe options.fast_open_queue = try number(fastOpenQueue, "fastOpenQueue", 1...65_535)
        unsafe options.defer_accept_s = try seconds(deferAccept, "deferAccept", 1...3_600)
        unsafe options.keep_alive_idle_s = try seconds(keepAlive?.idle, "keepAlive.idle", 1...32_767)
        unsafe options.keep_alive_interval_s = try seconds(keepAlive?.interval, "keepAlive.interval", 1...32_767)
        unsafe options.keep_alive_count = try number(keepAlive?.count, "keepAlive.count", 1...127)
        unsafe options.permissions = UInt16(try number(permissions.map(Int.init), "permissions", 1...0o777))
        try unsafe withUnsafeMutableBytes(of: &options.congestion) { bytes throws(IOCPError) in
            try unsafe write(congestionControl, "congestionControl", bytes)
        }
        try unsafe withUnsafeMutableBytes(of: &options.device) { bytes throws(IOCPError) in
            try unsafe write(device, "device", bytes)
        }
        // Valid while the caller keeps these options, as it does for the call to the core.
        if let security { unsafe options.layer = security.layer }
        return unsafe options
    }

    private func number(_ value: Int?, _ name: String, _ bounds: ClosedRange<Int>) throws(IOCPError) -> UInt32 {
        guard let value else { return 0 }
        guard bounds.contains(value) else {
            throw outOfRange("\(name) is \(value), and may be \(bounds.lowerBound) to \(bounds.upperBound)")
        }
        return UInt32(value)
    }

    private func seconds(_ value: Duration?, _ name: String, _ bounds: ClosedRange<Int64>) throws(IOCPError) -> UInt32 {
        guard let value else { return 0 }
        guard bounds.contains(value.components.seconds), value.components.attoseconds == 0 else {
            throw outOfRange(
                "\(name) is \(value), and may be \(bounds.lowerBound) to \(bounds.upperBound) whole seconds")
        }
        return UInt32(value.components.seconds)
    }

    private func write(_ text: String?, _ name: String, _ target: UnsafeMutableRawBufferPointer) throws(IOCPError) {
        guard let text else { return }
        guard (1..<target.count).contains(text.utf8.count), !text.utf8.contains(0) else {
            throw outOfRange("\(name) is \"\(text)\", and may have 1 to \(target.count - 1) bytes")
        }
        unsafe target.copyBytes(from: Array(text.utf8))
    }

    private func outOfRange(_ detail: String) -> IOCPError {
        IOCPError(code: 34 /* ERANGE */, operation: .listen, detail: detail)
    }
}

/// What opens outgoing connections: ``IOCPClient``, and ``IOCPServer`` beside those that it accepts. Accepted and connected ones
/// come to the same handler; the connected ones carry the key that was given here.
///
/// Thread: every method may be called from any thread.
public protocol Connecting: Sendable {
    /// The port whose workers make the connections.
    var port: CompletionPort { get }
}

extension Connecting {
    /// Asks a worker to connect. The handler's `opened` or `connectFailed` follows.
    ///
    /// On the worker's own thread
    /// ``Worker/connect(to:from:key:timeout:security:)-(SocketAddress,_,_,_,_)`` does the same without a post.
    /// - Parameter timeout: how long the peer has to answer, at most one day; nil leaves it to the kernel, about two
    ///   minutes. Over it, `connectFailed` tells ETIMEDOUT.
    /// - Parameter security: what secures the connection; `opened` follows the handshake, for which the peer has the time that
    ///   was set there, or `connectFailed` with what was refused.
    /// - Returns: the name by which the connect can be given up.
    /// - Throws: EAGAIN when the worker's mailbox is full, ESHUTDOWN once stopped, EINVAL for a worker that is none.
    @discardableResult
    public func connect(
        to address: SocketAddress, from source: SocketAddress? = nil, key: UInt64 = 0, timeout: Duration? = nil,
        security: ConnectionSecurity? = nil, onWorker worker: Int = 0
    ) throws(IOCPError) -> ConnectAttempt {
        try begin(
            ConnectRequest([.tcp(address)], from: source.map(Endpoint.tcp), key: key, timeout: timeout, security),
            on: worker)
    }

    /// Asks a worker to connect to an endpoint of any kind: see
    /// ``Worker/connect(to:from:key:timeout:security:)-(SocketAddress,_,_,_,_)``.
    /// - Throws: as for an address.
    @discardableResult
    public func connect(
        to endpoint: Endpoint, from source: Endpoint? = nil, key: UInt64 = 0, timeout: Duration? = nil,
        security: ConnectionSecurity? = nil, onWorker worker: Int = 0
    ) throws(IOCPError) -> ConnectAttempt {
        try begin(ConnectRequest([endpoint], from: source, key: key, timeout: timeout, security), on: worker)
    }

    private func begin(_ request: ConnectRequest, on worker: Int) throws(IOCPError) -> ConnectAttempt {
        let attempt = ConnectAttempt(request: request, port: port, worker: try port.workerIndex(worker, .connect))
        let result = request.post(to: port, worker: attempt.worker)
        if result < 0 { throw IOCPError(result: result, .connect) }
        return attempt
    }

    /// Asks a worker to connect to a host, at whichever of its addresses answers first. One `opened` or one
    /// `connectFailed` follows.
    ///
    /// The host is resolved on a thread of the library's. Its addresses are tried as RFC 8305 says: the next one 250 ms
    /// after the latest or as soon as that has failed, IPv6 and IPv4 in turn; the first to open stays and the others are
    /// given up. `connectFailed` tells the latest error, or why the host could not be resolved.
    /// - Parameters:
    ///   - host: a numeric address or a name.
    ///   - timeout: as for an address, counted over all attempts from the moment that the addresses are known. How long
    ///     the resolver may take is its own (`resolv.conf(5)`).
    /// - Returns: the name by which the connect can be given up.
    /// - Throws: EAGAIN when 1,024 hosts are being resolved, ESHUTDOWN once stopped, ERANGE for a port outside 1...65535,
    ///   EINVAL for a worker that is none.
    @discardableResult
    public func connect(
        host: String, port: Int, key: UInt64 = 0, timeout: Duration? = nil, security: ConnectionSecurity? = nil,
        onWorker worker: Int = 0
    ) throws(IOCPError) -> ConnectAttempt {
        try self.port.resolve(
            host, port, for: ConnectRequest([], from: nil, key: key, timeout: timeout, security), onWorker: worker)
    }
}

extension CompletionPort {
    /// Resolves a host, and has a worker connect to what was found.
    @discardableResult
    func resolve(
        _ host: String, _ port: Int, for request: ConnectRequest, onWorker worker: Int
    ) throws(IOCPError) -> ConnectAttempt {
        guard (1...65_535).contains(port) else {
            throw IOCPError(code: 34 /* ERANGE */, operation: .resolve, detail: "\(port) is no TCP port to connect to")
        }
        let attempt = ConnectAttempt(request: request, port: self, worker: try workerIndex(worker, .connect))
        let lookups = lookups
        try lookups.begin(request, ofWorker: attempt.worker)
        do throws(IOCPError) {
            try Resolver.shared.addresses(of: host, port: port) { result in
                request.resolved(result)
                attempt.deliver()
            }
        } catch {
            lookups.end(of: request)
            throw error
        }
        return attempt
    }
}

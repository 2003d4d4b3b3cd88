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
    private let server: SideServer

    fileprivate init(_ address: SocketAddress, of port: CompletionPort) throws(IOCPError) {
        server = try SideServer(
            on: .tcp(address), isOver: { [weak port] in port?.hasEnded ?? true },
            makeClient: { [weak port] descriptor, now in
                MetricsClient(descriptor, acceptedAt: now) { port?.prometheusText() }
            })
        guard case .tcp(let bound) = server.endpoint else { preconditionFailure("an address is bound to another kind") }
        self.address = bound
    }

    /// Stops answering: when it returns, the address is free and the thread has done its last. Calling it again changes nothing.
    public func close() { server.end() }
}

extension CompletionPort {
    /// Answers `GET /metrics` at an address until the returned value is closed or released.
    /// - Parameter address: its port may be 0; ``MetricsEndpoint/address`` has the one that was chosen.
    /// - Throws: EADDRINUSE when another socket listens there, EADDRNOTAVAIL for an address that this machine does not have,
    ///   EACCES for a port that this user may not have, EAGAIN when no thread can be started.
    public func serveMetrics(on address: SocketAddress) throws(IOCPError) -> MetricsEndpoint {
        try MetricsEndpoint(address, of: self)
    }

    /// Whether the port was told to stop and every worker has ended: such a worker's heartbeat is 0.
    var hasEnded: Bool {
        isStopping && (0..<workerCount).allSatisfy { stats(ofWorker: $0).heartbeat == .zero }
    }
}

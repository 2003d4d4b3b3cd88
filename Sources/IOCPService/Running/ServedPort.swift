#if Service
public import IOCP

/// What a ``PortService`` runs: ``IOCPServer`` and ``IOCPClient``.
public protocol ServedPort: Connecting {
    /// Whether it is there to be connected to.
    var listens: Bool { get }
    func stop(drainingFor drain: Duration)
    func wait(drainingFor drain: Duration) async throws(IOCPError)
}

extension IOCPServer: ServedPort {
    public var listens: Bool { true }
}

extension IOCPClient: ServedPort {
    public var listens: Bool { false }
}
#endif

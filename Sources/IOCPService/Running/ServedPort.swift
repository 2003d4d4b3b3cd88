#if Service
public import IOCP

/// What a ``PortService`` runs: `IOCPServer` and `IOCPClient`.
public protocol ServedPort: Connecting {
    /// Whether it is there to be connected to.
    var listens: Bool { get }
    /// Begins to stop, and returns at once; see `IOCPServer.stop(drainingFor:)`. Thread: any.
    func stop(drainingFor drain: Duration)
    /// Waits until every worker has ended. If the task is cancelled meanwhile, it stops the port with this drain.
    /// - Throws: what ended a worker early.
    func wait(drainingFor drain: Duration) async throws(IOCPError)
}

extension IOCPServer: ServedPort {
    public var listens: Bool { true }
}

extension IOCPClient: ServedPort {
    public var listens: Bool { false }
}
#endif

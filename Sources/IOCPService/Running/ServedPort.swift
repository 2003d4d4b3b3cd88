#if Service
public import IOCP

/// What a ``PortService`` runs: ``IOCPServer`` and ``IOCPClient``.
public protocol ServedPort: Connecting {
    func stop(drainingFor drain: Duration)
    func wait(drainingFor drain: Duration) async throws(IOCPError)
}

extension IOCPServer: ServedPort {}
extension IOCPClient: ServedPort {}
#endif

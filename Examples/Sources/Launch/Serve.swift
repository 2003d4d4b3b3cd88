import IOCP

/// Serves until the first SIGINT or SIGTERM, then lets what is queued leave for up to two seconds. A second signal ends
/// the process at once. An error ends it with status 1, and is told on stderr.
/// - Parameter handler: makes one handler for each worker.
public func serve<Handler: ConnectionHandler>(
    _ arguments: Arguments, _ configuration: PortConfiguration,
    handler: @escaping @Sendable (Worker) throws(IOCPError) -> Handler
) {
    var termination = Termination()
    do {
        let server = try IOCPServer(configuration, handler: handler)
        announce(try server.listen(host: "127.0.0.1", port: arguments.port))
        termination.wait()
        server.stop(drainingFor: .seconds(2))
        try server.wait()
    } catch {
        fail(error)
    }
}

import IOCP

/// Serves until the first SIGINT or SIGTERM, then lets what is queued leave for up to two seconds. A second signal ends
/// the process at once. An error ends it with status 1, and is told on stderr.
/// - Parameter handler: makes one handler for each worker.
public func serve<Handler: ConnectionHandler>(
    _ arguments: Arguments, _ configuration: PortConfiguration,
    handler: @escaping @Sendable (Worker) throws(IOCPError) -> Handler
) {
    serve(arguments) { () throws(IOCPError) in try IOCPServer(configuration, handler: handler) }
}

/// The same by async bodies: up to two seconds are theirs, too, to finish what they are at.
/// - Parameter body: serves one connection.
public func serve(_ arguments: Arguments, _ configuration: PortConfiguration, body: @escaping ConnectionBody) {
    serve(arguments) { () throws(IOCPError) in try IOCPServer(configuration, body: body) }
}

private func serve<Handler>(_ arguments: Arguments, by make: () throws(IOCPError) -> IOCPServer<Handler>) {
    var termination = Termination()
    do {
        let options = try arguments.listenOptions()
        let server = try make()
        announce(try server.listen(host: "127.0.0.1", port: arguments.port, options: options))
        termination.wait()
        server.stop(drainingFor: .seconds(2))
        try server.wait()
    } catch {
        fail(error)
    }
}

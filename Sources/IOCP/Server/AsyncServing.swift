extension PortConfiguration {
    /// A body that has read everything may still answer.
    fileprivate var forBodies: PortConfiguration {
        var configuration = self
        configuration.deliversHalfClose = true
        return configuration
    }
}

/// Serving by async bodies.
extension IOCPServer where Handler == BodyHandler {
    /// A server each of whose connections is served by a task of its own: see ``ConnectionBody``.
    ///
    /// `deliversHalfClose` is switched on, so that a body that has read everything may still answer.
    /// - Parameter onError: told what bodies throw, on the connection's worker, before the connection is reset.
    public convenience init(
        _ configuration: PortConfiguration = PortConfiguration(), onError: (@Sendable (BodyError) -> Void)? = nil,
        body: @escaping ConnectionBody
    ) throws(IOCPError) {
        try self.init(configuration.forBodies) { _ in BodyHandler(onError: onError, body: body) }
    }

    /// The same, with a state for each worker, which the bodies of its connections share without a lock: a cache, an account, a
    /// table of sessions.
    ///
    /// ```swift
    /// let server = try IOCPServer(state: { _ in Visits() }) { worker, visits, connection in
    ///     visits.count += 1
    ///     try await connection.send("you are visitor \(visits.count) of worker \(worker.worker.index)\n")
    /// }
    /// ```
    /// - Parameter state: makes one for each worker, called on that worker's thread. It stays there.
    public convenience init<State: AnyObject>(
        _ configuration: PortConfiguration = PortConfiguration(),
        state: @escaping @Sendable (Worker) throws(IOCPError) -> State,
        onError: (@Sendable (BodyError) -> Void)? = nil,
        body:
            @escaping @Sendable (_ worker: isolated WorkerActor, _ state: State, _ connection: AsyncConnection)
            async throws -> Void
    ) throws(IOCPError) {
        try self.init(configuration.forBodies) { worker throws(IOCPError) in
            nonisolated(unsafe) let state = try state(worker)  // its bodies run on this thread alone
            return BodyHandler(onError: onError) { worker, connection in
                try await unsafe body(worker, state, connection)
            }
        }
    }

    /// Serves until the task is cancelled, then stops.
    ///
    /// ```swift
    /// try await IOCPServer.run(configuration, port: port, onListening: { print("listening on \($0)") }) { worker, connection in
    ///     while let line = try await connection.line() { try await connection.send(line + "\n") }
    /// }
    /// ```
    /// - Parameters:
    ///   - drain: how long bodies may go on after the cancellation.
    ///   - onError: told what bodies throw, on the connection's worker, before the connection is reset.
    ///   - onListening: called once clients may come, with the port that was chosen where `port` is 0.
    ///   - body: serves one connection.
    /// - Throws: why it could not be opened or listen, or what ended a worker early.
    public static func run(
        _ configuration: PortConfiguration = PortConfiguration(), host: String = "0.0.0.0", port: Int,
        options: ListenOptions = ListenOptions(), drainingFor drain: Duration = .seconds(10),
        onError: (@Sendable (BodyError) -> Void)? = nil, onListening: ((Listener) -> Void)? = nil,
        body: @escaping ConnectionBody
    ) async throws(IOCPError) {
        let server = try IOCPServer(configuration, onError: onError, body: body)
        let listener = try server.listen(host: host, port: port, options: options)
        onListening?(listener)
        try await server.wait(drainingFor: drain)
    }
}

extension IOCPServer {
    /// Waits until the server was stopped and every worker has delivered everything, without holding a thread. If the task is
    /// cancelled, the server stops.
    /// - Parameter drain: of a stop by cancellation.
    /// - Throws: what ended a worker early.
    public func wait(drainingFor drain: Duration = .seconds(10)) async throws(IOCPError) {
        try await threads.wait(drainingFor: drain)
    }
}

extension IOCPClient where Handler == BodyHandler {
    /// A client whose connections are opened and used by async code: see
    /// ``Connecting/withConnection(host:port:timeout:security:onWorker:_:)``.
    public convenience init(_ configuration: PortConfiguration = PortConfiguration()) throws(IOCPError) {
        try self.init(configuration.forBodies) { _ in BodyHandler { _, _ in } }
    }
}

extension IOCPClient {
    /// As ``IOCPServer/wait(drainingFor:)``.
    public func wait(drainingFor drain: Duration = .seconds(10)) async throws(IOCPError) {
        try await threads.wait(drainingFor: drain)
    }
}

/// Starts a server of bodies, calls `use` with it, and stops it behind that, whatever `use` returns or throws.
///
/// ```swift
/// import IOCP
///
/// try await withServer { worker, connection in
///     while let bytes = try await connection.next() { try await connection.send(bytes) }
/// } use: { server in
///     print("listening on \(try server.listen(host: "127.0.0.1", port: 4666))")
///     try await server.wait()
/// }
/// ```
/// - Parameter drain: how long bodies may go on after `use`.
/// - Throws: what `use` throws, why the server could not be opened, or what ended a worker early.
public func withServer<Value>(
    _ configuration: PortConfiguration = PortConfiguration(), drainingFor drain: Duration = .seconds(10),
    onError: (@Sendable (BodyError) -> Void)? = nil, body: @escaping ConnectionBody,
    use: (IOCPServer<BodyHandler>) async throws -> Value
) async throws -> Value {
    let server = try IOCPServer(configuration, onError: onError, body: body)
    let value: Value
    do {
        value = try await use(server)
    } catch {
        server.stop(drainingFor: drain)
        try? await server.wait()
        throw error
    }
    server.stop(drainingFor: drain)
    try await server.wait()
    return value
}

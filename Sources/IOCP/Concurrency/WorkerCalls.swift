extension Connecting {
    /// Connects to a host, has `body` use the connection on its worker, and closes it gracefully behind that; an error aborts
    /// it.
    ///
    /// ```swift
    /// let reply = try await client.withConnection(host: "127.0.0.1", port: port) { worker, connection in
    ///     try await connection.send("PING\r\n")
    ///     return try await connection.line()
    /// }
    /// ```
    /// - Parameters: as of ``connect(host:port:key:timeout:security:onWorker:)``.
    /// - Throws: why it did not open, and what `body` throws.
    public func withConnection<Value: Sendable>(
        host: String, port: Int, timeout: Duration? = nil, security: ConnectionSecurity? = nil, onWorker worker: Int = 0,
        _ body: @Sendable (_ worker: isolated WorkerActor, _ connection: AsyncConnection) async throws -> Value
    ) async throws -> Value {
        try await self.port.actor(ofWorker: worker).use(body) { (worker: isolated WorkerActor) in
            try await worker.connect(host: host, port: port, timeout: timeout, security: security)
        }
    }

    /// The same, with an endpoint of any kind.
    public func withConnection<Value: Sendable>(
        to endpoint: Endpoint, from source: Endpoint? = nil, timeout: Duration? = nil,
        security: ConnectionSecurity? = nil, onWorker worker: Int = 0,
        _ body: @Sendable (_ worker: isolated WorkerActor, _ connection: AsyncConnection) async throws -> Value
    ) async throws -> Value {
        try await port.actor(ofWorker: worker).use(body) { (worker: isolated WorkerActor) in
            try await worker.connect(to: endpoint, from: source, timeout: timeout, security: security)
        }
    }
}

extension Connecting {
    /// The same, with an address.
    public func withConnection<Value: Sendable>(
        to address: SocketAddress, from source: SocketAddress? = nil, timeout: Duration? = nil,
        security: ConnectionSecurity? = nil, onWorker worker: Int = 0,
        _ body: @Sendable (_ worker: isolated WorkerActor, _ connection: AsyncConnection) async throws -> Value
    ) async throws -> Value {
        try await withConnection(
            to: .tcp(address), from: source.map(Endpoint.tcp), timeout: timeout, security: security, onWorker: worker, body)
    }
}

extension WorkerActor {
    fileprivate func use<Value: Sendable>(
        _ body: @Sendable (isolated WorkerActor, AsyncConnection) async throws -> Value,
        of connect: @Sendable (isolated WorkerActor) async throws -> AsyncConnection
    ) async throws -> Value {
        let connection = try await connect(self)
        do {
            let value = try await body(self, connection)
            connection.closeIfOpen()
            return value
        } catch {
            connection.abortIfOpen()
            throw error
        }
    }
}

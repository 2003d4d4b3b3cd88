import CIOCP

/// What serves one connection from its first byte to its last, as a task of the connection's own.
///
/// It is isolated to the worker's actor, so that it runs on the worker's thread, and its messages cost no switch between
/// threads. Tasks that it makes and that name `worker` are isolated to it, too.
///
/// When it returns, the connection closes gracefully: what was sent leaves first. An error that leaves it aborts the
/// connection, and is told as a handler's is: ``CloseReason/handlerThrew(_:)``. When the connection has closed, the task is
/// cancelled.
public typealias ConnectionBody =
    @Sendable (_ worker: isolated WorkerActor, _ connection: AsyncConnection) async throws -> Void

extension WorkerActor {
    /// The whole task of one connection.
    func serve(_ connection: AsyncConnection, _ body: ConnectionBody, of bodies: WorkerBodies) async {
        connection.begin()
        do {
            try await body(self, connection)
            bodies.ended(connection, nil)
        } catch {
            bodies.ended(connection, error)
        }
    }
}

extension IocpContext {
    /// Hands the connection over to a body: a task of its own, which awaits what arrives from here on.
    ///
    /// The handler is told no `received`, `peerFinished` and `writable` of it any more. It still is told `closed` and what was
    /// posted to the connection; the state stays until then. A body may hand the connection back:
    /// ``AsyncConnection/handBack()``.
    ///
    /// ```swift
    /// func opened(_ connection: IocpContext<Void>) throws(IOCPError) {
    ///     try connection.upgrade { worker, connection in
    ///         while let line = try await connection.line() { try await connection.send(line + "\n") }
    ///     }
    /// }
    /// ```
    /// - Parameter unread: bytes that the handler received and that are the body's to read; copied.
    /// - Throws: ENOTCONN when closed or closing, EALREADY when a body serves it.
    public func upgrade(unread: RawSpan = RawSpan(), to body: @escaping ConnectionBody) throws(IOCPError) {
        try handOver(unread, isReturnable: true, to: body)
    }

    func handOver(
        _ unread: RawSpan = RawSpan(), isReturnable: Bool, to body: @escaping ConnectionBody
    ) throws(IOCPError) {
        guard server == .handler else { throw IOCPError(code: 114 /* EALREADY */, operation: .inquiry) }
        try setOutlastsStop(true)
        server = .body
        _ = unsafe iocp_connection_keep(raw, token, true)
        let connection = AsyncConnection(worker, of: self)
        connection.isReturnable = isReturnable
        if !unread.isEmpty { connection.putBack(unsafe ReceivedBytes(copying: unread, worker: raw).lend()) }
        worker.bodies.start(connection, body)
    }
}

extension AsyncConnection {
    /// Hands the connection back to the handler that gave it to the body, once the body returns: bytes that nobody awaited come
    /// to its `received`, and the peer's FIN to its `peerFinished`.
    ///
    /// Where there is no such handler it closes as if this had not been called: a connection that the body connected itself, and
    /// one of ``IOCPServer/run(_:host:port:options:drainingFor:onError:onListening:body:)``.
    public func handBack() {
        isHandedBack = isReturnable
    }
}

#if Service
public import Instrumentation
public import IOCP
public import Logging

/// Which connection something is done for: in the context of its task, so that log lines and spans have it, however deep.
public struct ConnectionIdentity: Hashable, Sendable {
    /// The connection's name, which never means another connection.
    public let connection: Connection
    /// Where the peer is; nil for a Unix socket, and where the connection was gone.
    public let peer: SocketAddress?
    /// What the peer connected to; nil for a connection that was made here.
    public let listener: Endpoint?

    init(_ connection: Connection, peer: SocketAddress?) {
        (self.connection, self.peer, listener) = (connection, peer, nil)
    }

    /// Asks the kernel for the peer once. In `closed` the peer is nil. Thread: the connection's worker.
    public init(_ connection: ConnectionContext) {
        self.connection = connection.connection
        peer = try? connection.peerAddress()
        listener = connection.listener?.endpoint
    }

    /// "2-17": the worker and the slot, which later connections have again.
    public var id: String { "\(connection.workerIndex)-\(connection.slot)" }

    /// For a log line.
    public var metadata: Logger.Metadata {
        var metadata: Logger.Metadata = ["connection": "\(id)"]
        if let peer { metadata["peer"] = "\(peer)" }
        if let listener { metadata["listener"] = "\(listener)" }
        return metadata
    }
}

private enum ConnectionIdentityKey: ServiceContextKey {
    typealias Value = ConnectionIdentity
    static let nameOverride: String? = "iocp-connection"
}

extension ServiceContext {
    /// The connection that the task serves.
    public var connection: ConnectionIdentity? {
        get { self[ConnectionIdentityKey.self] }
        set { self[ConnectionIdentityKey.self] = newValue }
    }
}

extension Logger.MetadataProvider {
    /// Adds `connection`, `peer` and `listener` to each line of a task that serves a connection: see ``identified(_:)``.
    ///
    /// ```swift
    /// let logger = Logger(label: "orders", metadataProvider: .connection)
    /// ```
    public static let connection = Logger.MetadataProvider { ServiceContext.current?.connection?.metadata ?? [:] }
}

/// The same body, in whose task `ServiceContext.current` names the connection. Tasks that it makes, spans and
/// log lines have the name from there.
///
/// ```swift
/// let server = try IOCPServer(body: identified { worker, connection in
///     while let order = try await connection.line() {
///         try await connection.send("\(order) was taken\n")
///         logger.debug("an order was taken")  // connection=0-17 peer=192.0.2.7:50112
///     }
/// })
/// ```
/// It costs one question to the kernel for each connection.
public func identified(_ body: @escaping ConnectionBody) -> ConnectionBody {
    { worker, connection in
        var context = ServiceContext.current ?? .topLevel
        context.connection = ConnectionIdentity(connection)
        try await ServiceContext.$current.withValue(context) { try await body(worker, connection) }
    }
}

extension ConnectionContext {
    /// Calls `body` with a context that names this connection: for a handler's method, in which there is no task of the
    /// connection's. For a request that goes on elsewhere keep the context in the connection's state, and hand it on.
    public func withServiceContext<Value, Failure: Error>(
        _ context: ServiceContext? = nil, _ body: () throws(Failure) -> Value
    ) throws(Failure) -> Value {
        var context = context ?? ServiceContext.current ?? .topLevel
        if context.connection == nil { context.connection = ConnectionIdentity(self) }
        do {
            return try ServiceContext.$current.withValue(context) { try body() }
        } catch {
            throw error as! Failure
        }
    }
}
#endif

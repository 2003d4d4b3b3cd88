/// A server: a completion port, its workers on threads of their own, and a handler value for each. It may connect, too:
/// ``Connecting`` has its connects.
///
/// ```swift
/// import IOCP
///
/// struct Echo: ConnectionHandler {
///     func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {
///         try connection.send(bytes)  // the received buffer itself goes back: no copy
///     }
/// }
///
/// let server = try IOCPServer { _ in Echo() }  // one worker per CPU, one handler per worker
/// let listener = try server.listen(host: "127.0.0.1", port: 4666)
/// print("listening on \(listener)")
/// try server.wait()
/// ```
/// Thread: every method may be called from any thread, handlers included.
///
/// Releasing the server stops it, and waits until its workers have ended. Released by a handler, of this server or of
/// another one, it waits for nobody: its workers end by themselves.
public final class IOCPServer<Handler: ConnectionHandler>: Connecting {
    @usableFromInline let threads: WorkerThreads

    /// Opens the port and starts its workers; no connection is accepted before ``listen(host:port:options:)``.
    /// - Parameter handler: makes one handler for each worker, called on that worker's thread.
    /// - Throws: why the port or a worker could not be opened. What `handler` or ``ConnectionHandler/started(on:)`` throws
    ///   is told here if other workers are still to be started, and by ``wait()`` otherwise.
    @inlinable
    public init(
        _ configuration: PortConfiguration = PortConfiguration(),
        handler: @escaping @Sendable (Worker) throws(IOCPError) -> Handler
    ) throws(IOCPError) {
        threads = try WorkerThreads(configuration, handler: handler)
    }

    /// The port whose workers serve the connections: for posts, statistics and its configuration. Thread: any.
    public var port: CompletionPort { threads.port }

    /// Listens and accepts; may be called for several addresses.
    /// - Parameters: as of ``CompletionPort/listen(host:port:options:)``.
    /// - Returns: the listener; ``Listener/address`` has the port that was chosen.
    @discardableResult
    public func listen(host: String = "0.0.0.0", port: Int, options: ListenOptions = ListenOptions()) throws(IOCPError)
        -> Listener
    {
        try threads.port.listen(host: host, port: port, options: options)
    }

    /// Listens on a Unix socket: see ``CompletionPort/listen(unix:options:)``.
    @discardableResult
    public func listen(unix address: UnixAddress, options: ListenOptions = ListenOptions()) throws(IOCPError)
        -> Listener
    {
        try threads.port.listen(unix: address, options: options)
    }

    /// Listens on a socket that was bound elsewhere: see ``CompletionPort/listen(onDescriptor:options:)``.
    @discardableResult
    public func listen(onDescriptor descriptor: Int32, options: ListenOptions = ListenOptions()) throws(IOCPError)
        -> Listener
    {
        try threads.port.listen(onDescriptor: descriptor, options: options)
    }

    /// What the server listens on: see ``CompletionPort/listeners``.
    public var listeners: [Listener] { threads.port.listeners }

    /// Closes every listener and goes on serving: see ``CompletionPort/stopListening()``.
    public func stopListening() {
        threads.port.stopListening()
    }

    /// Begins to stop and returns at once: accepts no more, delivers what was posted before, calls
    /// ``ConnectionHandler/stopping(_:on:)``, closes connections gracefully and aborts what is left `drain` from now.
    /// ``wait()`` tells when it is done. Calling it again only shortens the drain. May be called from a handler.
    public func stop(drainingFor drain: Duration = .zero) {
        threads.port.stop(drainingFor: drain)
    }

    /// Waits until the server was stopped and every worker has delivered everything. Any number of threads may wait.
    /// - Throws: what ended a worker early; EDEADLK from a handler, whose thread would wait for itself.
    public func wait() throws(IOCPError) {
        try threads.wait()
    }
}

/// Outgoing connections on a completion port: the same workers and handlers as a server's, without listeners.
///
/// ``Connecting`` has its connects.
///
/// Thread: every method may be called from any thread. Releasing the client stops it, as releasing a server does.
public final class IOCPClient<Handler: ConnectionHandler>: Connecting {
    @usableFromInline let threads: WorkerThreads

    /// - Parameter handler: makes one handler for each worker, called on that worker's thread.
    @inlinable
    public init(
        _ configuration: PortConfiguration = PortConfiguration(),
        handler: @escaping @Sendable (Worker) throws(IOCPError) -> Handler
    ) throws(IOCPError) {
        threads = try WorkerThreads(configuration, handler: handler)
    }

    /// The port whose workers make the connections: for posts, statistics and its configuration. Thread: any.
    public var port: CompletionPort { threads.port }

    /// As ``IOCPServer/stop(drainingFor:)``.
    public func stop(drainingFor drain: Duration = .zero) {
        threads.port.stop(drainingFor: drain)
    }

    /// As ``IOCPServer/wait()``.
    public func wait() throws(IOCPError) {
        try threads.wait()
    }
}

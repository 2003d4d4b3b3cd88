import CIOCP

/// Outgoing connections on a completion port: the same workers and handlers as a server's, without listeners.
///
/// Thread: every method may be called from any thread. Releasing the client stops it.
public final class IOCPClient<Handler: ConnectionHandler>: Sendable {
    @usableFromInline let threads: WorkerThreads

    /// - Parameter handler: makes one handler for each worker, called on that worker's thread.
    @inlinable
    public init(
        _ configuration: PortConfiguration = PortConfiguration(),
        handler: @escaping @Sendable (Worker) throws(IOCPError) -> Handler
    ) throws(IOCPError) {
        threads = try WorkerThreads(configuration) { worker throws(IOCPError) in
            var handler = try handler(worker)
            try worker.run(&handler)
        }
    }

    public var port: CompletionPort { threads.port }

    /// Asks a worker to connect. The handler's `opened` or `connectFailed` follows.
    ///
    /// On the worker's own thread ``Worker/connect(to:from:key:)`` does the same without a post.
    /// - Throws: EAGAIN when the worker's mailbox is full, ESHUTDOWN once stopped.
    public func connect(
        to address: SocketAddress, from source: SocketAddress? = nil, key: UInt64 = 0, onWorker worker: Int = 0
    ) throws(IOCPError) {
        try ConnectRequest(address: address, source: source, key: key).post(to: port, worker: worker)
    }

    /// As ``IOCPServer/stop(drainingFor:)``.
    public func stop(drainingFor drain: Duration = .zero) {
        threads.port.stop(drainingFor: drain)
    }

    /// As ``IOCPServer/wait()``.
    public func wait() throws(IOCPError) {
        try threads.wait()
    }
}

/// A connect asked for from another thread. It travels as a post whose connection is a marker no connection has.
@usableFromInline
final class ConnectRequest: Sendable {
    @usableFromInline let address: SocketAddress
    @usableFromInline let source: SocketAddress?
    @usableFromInline let key: UInt64

    private static let marker: iocp_token = .max

    init(address: SocketAddress, source: SocketAddress?, key: UInt64) {
        (self.address, self.source, self.key) = (address, source, key)
    }

    func post(to port: CompletionPort, worker: Int) throws(IOCPError) {
        let reference = unsafe Unmanaged.passRetained(self)
        let value = unsafe UInt64(UInt(bitPattern: reference.toOpaque()))
        let result = unsafe iocp_port_post(port.raw, UInt32(worker), ConnectRequest.marker, value)
        if result < 0 {
            unsafe reference.release()
            throw IOCPError(result: result, .connect)
        }
    }

    /// The request in a post, if it is one. Called once per completion: it takes over the post's reference.
    @usableFromInline
    static func take(from record: iocp_completion) -> ConnectRequest? {
        guard unsafe record.connection == marker,
            let pointer = unsafe UnsafeRawPointer(bitPattern: UInt(record.key))
        else { return nil }
        return unsafe Unmanaged<ConnectRequest>.fromOpaque(pointer).takeRetainedValue()
    }
}

/// A body that waits for a connect.
@usableFromInline
final class ConnectWait {
    private let place: Await
    private let bodies: WorkerBodies
    private var result: Result<AsyncConnection, IOCPError>?

    init(_ worker: Worker) {
        place = Await(.connect, worker.executor, worker.home)
        bodies = worker.bodies
    }

    /// - Throws: what the connect failed with, or ECANCELED: then the connect is to be given up.
    nonisolated(nonsending) func wait() async throws(IOCPError) -> AsyncConnection {
        while true {
            if let result {
                self.result = nil
                return try result.get()
            }
            try place.begin(until: .never)
            try await place.ended()
        }
    }

    @usableFromInline
    func opened<State>(_ context: IocpContext<State>, on worker: Worker) {
        let connection = AsyncConnection(worker, of: context)
        // It is its user's to close, also while the port stops.
        try? connection.setOutlastsStop(true)
        bodies.know(connection)
        result = .success(connection)
        place.end()
    }

    func failed(_ error: IOCPError) {
        result = .failure(error)
        place.end()
    }
}

extension WorkerActor {
    /// Connects to an address. The connection is the caller's: it closes when its last reference goes.
    /// - Parameters: as of ``Worker/connect(to:from:key:timeout:security:)-(SocketAddress,_,_,_,_)``.
    /// - Throws: why it did not open, or ECANCELED when the task was cancelled.
    public func connect(
        to endpoint: Endpoint, from source: Endpoint? = nil, timeout: Duration? = nil, security: ConnectionSecurity? = nil
    ) async throws(IOCPError) -> AsyncConnection {
        let worker = worker
        let request = ConnectRequest([endpoint], from: source, key: 0, timeout: timeout, security)
        let wait = ConnectWait(worker)
        request.wait = wait
        if case .fails(let error) = request.begin(on: worker) { throw error }
        return try await result(of: wait, request)
    }

    /// Connects to an address. The connection is the caller's: it closes when its last reference goes.
    public func connect(
        to address: SocketAddress, from source: SocketAddress? = nil, timeout: Duration? = nil,
        security: ConnectionSecurity? = nil
    ) async throws(IOCPError) -> AsyncConnection {
        try await connect(to: .tcp(address), from: source.map(Endpoint.tcp), timeout: timeout, security: security)
    }

    /// Connects to a host, at whichever of its addresses answers first: see
    /// ``Connecting/connect(host:port:key:timeout:security:onWorker:)``.
    public func connect(
        host: String, port: Int, timeout: Duration? = nil, security: ConnectionSecurity? = nil
    ) async throws(IOCPError) -> AsyncConnection {
        let worker = worker
        let wait = ConnectWait(worker)
        let request = ConnectRequest([], from: nil, key: 0, timeout: timeout, security)
        request.wait = wait
        try worker.port.resolve(host, port, for: request, onWorker: worker.index)
        return try await result(of: wait, request)
    }

    private func result(of wait: ConnectWait, _ request: ConnectRequest) async throws(IOCPError) -> AsyncConnection {
        do throws(IOCPError) {
            return try await wait.wait()
        } catch {
            if error.code == 125 /* ECANCELED */, let worker = place.home.worker { _ = request.cancel(on: worker) }
            throw error
        }
    }
}

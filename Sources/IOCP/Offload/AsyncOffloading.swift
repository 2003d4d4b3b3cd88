import CIOCP

extension AsyncConnection {
    /// Runs work that may block on a thread of the port's pool, and returns here with what came of it.
    ///
    /// ```swift
    /// while let path = try await connection.line() {
    ///     let text = try await connection.offload { try contents(of: path) }
    ///     try await connection.send(text)
    /// }
    /// ```
    /// Where several tasks of a body call it, each goes on in the order of the calls. While one waits, neither the peer's FIN nor
    /// a stop closes the connection: see ``IocpContext/offload(_:then:)``.
    ///
    /// The wait ends early when its task is cancelled, its time is over, or the connection closes. Work that no thread has begun
    /// with is then not run; else it runs to its end, and what comes of it is dropped.
    /// - Parameters:
    ///   - limit: how long to wait at most; nil for ``timeout``.
    ///   - work: runs once, on any thread but the worker's. The compiler lets it have neither the connection nor received bytes.
    /// - Throws: what `work` throws; ENOBUFS, EAGAIN and ESHUTDOWN as ``IocpContext/offload(_:then:)``; why the connection has
    ///   closed, ECANCELED, or ETIMEDOUT.
    public nonisolated(nonsending) func offload<Value: Sendable>(
        within limit: Duration? = nil, _ work: @escaping @Sendable () throws -> Value
    ) async throws -> Value {
        try requireThread(.offload)
        guard let wait = OffloadWait<Value>(home) else {
            throw IOCPError(code: 107 /* ENOTCONN */, operation: .offload)
        }
        return try await wait.result(of: work, for: token, until: until(limit))
    }
}

extension WorkerActor {
    /// Runs work that may block on a thread of the port's pool, and returns on this worker's thread with what came of it: as
    /// ``AsyncConnection/offload(within:_:)``, for what belongs to no connection.
    /// - Throws: what `work` throws; ENOBUFS, EAGAIN and ESHUTDOWN as ``IocpContext/offload(_:then:)``; ECANCELED when the task was
    ///   cancelled.
    public func offload<Value: Sendable>(_ work: @escaping @Sendable () throws -> Value) async throws -> Value {
        guard let wait = OffloadWait<Value>(place.home) else { throw IOCPError.offloadsEnded }
        return try await wait.result(of: work, for: 0, until: .never)
    }
}

/// A task that waits for what comes of its work.
final class OffloadWait<Value: Sendable> {
    private let place: Await
    /// Not the worker: an attached one ends by its release, and nobody who waits may prevent that.
    private let offloads: WorkerOffloads
    private var result: Result<Value, any Error>?

    /// nil: the worker was released.
    init?(_ home: WorkerHome) {
        guard let worker = home.worker else { return nil }
        place = Await(.offload, worker.executor, worker.home)
        offloads = worker.offloads
    }

    nonisolated(nonsending) func result(
        of work: @escaping @Sendable () throws -> Value, for connection: iocp_token, until: Await.Until
    ) async throws -> Value {
        if Task.isCancelled { throw IOCPError.taskCancelled(.offload) }
        let offloaded = Offloaded(connection, work, abandoned: { [self] error in end(.failure(error)) }) {
            [self] result in
            end(result)
        }
        try offloads.begin(offloaded)
        while true {
            if let result { return try result.get() }
            do throws(IOCPError) {
                try place.begin(until: until)
                try await place.ended()
            } catch {
                offloads.cancel(offloaded)
                throw error
            }
        }
    }

    private func end(_ result: Result<Value, any Error>) {
        self.result = result
        place.end()
    }
}

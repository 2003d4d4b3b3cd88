import CIOCP

extension IocpContext {
    /// Runs work that may block on a thread of the port's pool, and then `then` on this connection's worker with what came of it.
    ///
    /// For what has no other form: a lookup in a library that blocks, a file, a password hash. The worker serves its other
    /// connections meanwhile.
    ///
    /// ```swift
    /// func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
    ///     let path = String(decoding: bytes)
    ///     try connection.offload {
    ///         try contents(of: path)  // may block
    ///     } then: { result, connection in
    ///         try connection.send(result.get())
    ///     }
    /// }
    /// ```
    /// Results come in the order of this connection's calls, whichever work ends first, one at a time and between two batches.
    /// While some are still to come, the peer's FIN does not close the connection, so that it may be answered; nor does a stop
    /// of the port, until its drain is over. When the connection closes all the same, what is still to come is dropped: the work
    /// runs to its end, and `then` is released without being called.
    ///
    /// `then` is called and released on the worker's thread. What it throws aborts the connection, as an error of the handler does
    /// (``CloseReason/handlerThrew(_:)``).
    /// - Parameters:
    ///   - work: runs once, on any thread but the worker's. The compiler lets it have neither the connection nor received
    ///     bytes: copy them out. What it throws is the result's failure.
    ///   - then: gets the result; it is ECANCELED if the port stops and cancels work (``PortConfiguration/cancelsOffloadsAtStop``)
    ///     that no thread had begun with.
    /// - Throws: ENOBUFS when ``PortConfiguration/offloadQueueEntries`` wait for a thread already, EAGAIN when the system starts
    ///   no thread, ENOTCONN when closed or closing, ESHUTDOWN once the worker has ended, or stops and cancels such work. Then
    ///   nothing runs.
    /// - Complexity: O(1); allocates. Some microseconds where a thread is idle; starting one takes some 30.
    public func offload<Value: Sendable>(
        _ work: @escaping @Sendable () throws -> Value,
        then: @escaping (_ result: Result<Value, any Error>, _ connection: IocpContext<State>) throws -> Void
    ) throws(IOCPError) {
        guard let offloads = home.worker?.offloads else {
            throw IOCPError(code: 107 /* ENOTCONN */, operation: .offload)
        }
        try offloads.begin(Offloaded(token, work) { result in try then(result, self) })
    }
}

extension Worker {
    /// Runs work that may block on a thread of the port's pool, and then `then` on this worker's thread with what came of it,
    /// between two batches: as ``IocpContext/offload(_:then:)``, for what belongs to no connection.
    ///
    /// Results come in the order in which work ends. They are handed over by ``run(_:)``, and in a loop of your own by
    /// ``wait(into:timeout:)``. When the worker ends first, `then` is released without being called.
    /// - Throws: as ``IocpContext/offload(_:then:)``; EPERM on another thread than the worker's.
    public func offload<Value: Sendable>(
        _ work: @escaping @Sendable () throws -> Value, then: @escaping (_ result: Result<Value, any Error>) -> Void
    ) throws(IOCPError) {
        try check(unsafe iocp_worker_refusal(raw), .offload)
        try offloads.begin(Offloaded(0, work, then: then))
    }
}

extension CompletionPort {
    /// How many threads the pool for blocking work has now: see ``PortConfiguration/offloadThreads``.
    public var offloadThreadCount: Int { unsafe Int(iocp_port_offload_threads(raw)) }
}

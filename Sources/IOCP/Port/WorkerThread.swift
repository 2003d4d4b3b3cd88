import CIOCP

extension Worker {
    /// Runs `body` while the calling thread has the CPUs that it had before it became a worker's.
    ///
    /// A thread inherits the CPUs of the thread that creates it (sched_setaffinity(2)). So whatever creates threads, and is called
    /// in a handler of a bound worker, would leave them on the worker's CPU for good: `DispatchQueue.async`, a thread of one's own,
    /// a child process. Call it in here. Tasks need no such care: a start of one does it by itself.
    ///
    /// On a thread that is not bound it only runs `body`. See ``PortConfiguration/pinsWorkers``.
    ///
    /// - Complexity: two system calls, about a microsecond.
    ///
    /// Thread: any.
    public static func unbound<Result: ~Copyable, Failure: Error>(
        _ body: () throws(Failure) -> Result
    ) throws(Failure) -> Result {
        iocp_thread_unbind()
        defer { iocp_thread_rebind() }
        return try body()
    }
}

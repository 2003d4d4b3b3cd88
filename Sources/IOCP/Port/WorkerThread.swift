import CIOCP

extension Worker {
    /// Gives the calling thread the CPUs back that it had before it became a worker's, until the worker's next wait.
    ///
    /// A thread inherits the CPUs of the thread that creates it (sched_setaffinity(2)). So whatever creates threads, and is called
    /// in a handler of a bound worker, would leave them on the worker's CPU for good. Call this before `DispatchQueue.async`, a
    /// thread of your own or a child process. Tasks need no such care: what starts one does it by itself.
    ///
    /// On a thread that is not bound it does nothing. See ``PortConfiguration/workerPlacement``.
    ///
    /// - Complexity: a system call, and one more with the next wait; 1.5 us together, however often it is called before that.
    ///
    /// Thread: any.
    public static func unbindThread() { iocp_thread_unbind() }
}

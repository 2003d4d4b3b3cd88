import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The name of a timer of one worker, or of a closure that waits for one; harmless once it ended.
public struct WorkerTimer: Hashable, Sendable {
    let raw: iocp_timer
}

extension Worker {
    /// Starts a timer that ends in one `timer` completion carrying `key`, never early: at most 1 ms late with
    /// io_uring and 2 ms with epoll, on a worker that is not busy. O(1).
    /// - Parameters:
    ///   - delay: of any length; a negative one is over already, as is `.zero`.
    ///   - connection: whose timer it is; when that has closed, the timer ends with ECANCELED.
    /// - Throws: ENOBUFS when `timersPerWorker` are armed already, EXDEV for a connection of another worker, ESHUTDOWN
    ///   once the worker stops.
    @discardableResult
    public func startTimer(after delay: Duration, for connection: Connection? = nil, key: UInt64) throws(IOCPError)
        -> WorkerTimer
    {
        var timer: iocp_timer = 0
        try check(unsafe iocp_timer_start(raw, connection?.token ?? 0, delay.wholeNanoseconds, key, &timer), .timer)
        return WorkerTimer(raw: timer)
    }

    /// Runs a closure later, once, on this worker's thread between two handler calls, as punctual as ``startTimer(after:for:key:)``.
    ///
    /// It is one of the worker's `timersPerWorker` timers, and has no key: no `timerFired` comes for it. It is held until
    /// it has run, or is dropped unrun: by ``cancelTimer(_:)``, when its connection has closed by then, and when the worker
    /// stops. What it captures is held as long, an attached worker, too. It needs ``run(_:)``; a loop of your own takes timers
    /// with keys. O(1); allocates.
    ///
    /// What it throws aborts the connection (``CloseReason/handlerThrew(_:)``), or without one goes to
    /// ``ConnectionHandler/failed(_:in:on:)``; an error of another type as ``IOCPError/init(wrapping:)`` says.
    /// - Parameters:
    ///   - delay: as of ``startTimer(after:for:key:)``.
    ///   - connection: whose timer it is; a closure without one runs whatever has closed meanwhile.
    /// - Returns: the name by which it can be cancelled.
    /// - Throws: as ``startTimer(after:for:key:)``, and EBUSY when completions of this worker are taken with
    ///   ``wait(into:timeout:)``.
    @discardableResult
    public func schedule(
        after delay: Duration, for connection: Connection? = nil, _ body: @escaping () throws -> Void
    ) throws(IOCPError) -> WorkerTimer {
        try check(unsafe iocp_worker_refusal(raw), .timer)
        guard use != .batches else { throw .closureWithoutHandler }
        var timer: iocp_timer = 0
        try check(unsafe iocp_timer_start_named(raw, connection?.token ?? 0, delay.wholeNanoseconds, &timer), .timer)
        closures[timer] = body
        return WorkerTimer(raw: timer)
    }

    /// Ends a timer early: its completion follows with ECANCELED. A closure is dropped at once, and nothing follows.
    /// - Throws: ENOENT when it ended already.
    public func cancelTimer(_ timer: WorkerTimer) throws(IOCPError) {
        try check(unsafe iocp_worker_refusal(raw), .timer)
        if closures.removeValue(forKey: timer.raw) != nil {
            // If it fired in this batch already, its completion finds no closure any more.
            _ = unsafe iocp_timer_discard(raw, timer.raw)
        } else {
            try check(unsafe iocp_timer_cancel(raw, timer.raw), .timer)
        }
    }

    /// The timer of a closure ended. With an error the closure is dropped.
    @usableFromInline
    func runClosure(of timer: iocp_timer, _ error: IOCPError?) throws(IOCPError) {
        guard let body = closures.removeValue(forKey: timer), error == nil else { return }
        do {
            try body()
        } catch {
            throw IOCPError(wrapping: error)
        }
    }

    /// Drops the closures that are left: no handler runs here any more.
    func dropClosures() {
        // What they hold may ask for timers as it goes, so it goes when the table is at rest.
        let left = closures
        closures = [:]
        for timer in left.keys { _ = unsafe iocp_timer_discard(raw, timer) }
    }
}

extension IOCPError {
    fileprivate static var closureWithoutHandler: IOCPError {
        IOCPError(
            code: EBUSY, operation: .timer,
            detail: "completions of this worker are taken with wait(into:), which runs no closures")
    }

    @usableFromInline
    static var closuresWait: IOCPError {
        IOCPError(
            code: EBUSY, operation: .wait,
            detail: "closures are scheduled on this worker, and only a handler's run(_:) runs them")
    }
}

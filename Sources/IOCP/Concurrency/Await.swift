import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// One place at which a body waits: for bytes, for room, or for the end of what was sent. One task at a time.
///
/// Everything happens on the worker's thread; a cancellation, which may come on any, moves there first.
@safe
final class Await: @unchecked Sendable {
    private let operation: IOCPError.Operation
    private let executor: WorkerExecutor
    private let home: WorkerHome
    private var continuation: UnsafeContinuation<Void, Never>?
    private(set) var isWaiting = false
    /// Counts the waits, so that what comes late for one does not end another.
    private var round: UInt64 = 0
    private var failure: IOCPError?
    private var deadline = Until.never
    /// At most one timer, armed when a wait needs an earlier one than it.
    private var alarm: (deadline: Until, timer: WorkerTimer)?

    /// A reading of the worker's clock.
    struct Until: Comparable {
        private let ns: UInt64

        static let never = Until(ns: .max)

        private init(ns: UInt64) {
            self.ns = ns
        }

        init(after limit: Duration, from now: UInt64) {
            let (sum, overflow) = now.addingReportingOverflow(limit.wholeNanoseconds)
            ns = overflow ? .max : sum
        }

        func isOver(at now: UInt64) -> Bool { now >= ns }

        func remaining(at now: UInt64) -> Duration { .nanoseconds(Int64(clamping: ns > now ? ns - now : 0)) }

        static func < (left: Until, right: Until) -> Bool { left.ns < right.ns }
    }

    init(_ operation: IOCPError.Operation, _ executor: WorkerExecutor, _ home: WorkerHome) {
        self.operation = operation
        self.executor = executor
        self.home = home
    }

    /// Begins to wait for ``end(_:)``, which may come from here on. To be called in one step with the look that found nothing,
    /// and followed by ``ended(isolation:)``: what that awaits may be another job of the worker's, and what arrives before
    /// it must not be missed.
    /// - Throws: ECANCELED when the task was cancelled already, or why there is no timer.
    func begin(until deadline: Until) throws(IOCPError) {
        if isWaiting { AwaitMisuse.twice(operation) }
        if Task.isCancelled { throw .taskCancelled(operation) }
        if deadline != .never { try arm(deadline) }
        self.deadline = deadline
        isWaiting = true
        round += 1
    }

    /// Waits for ``end(_:)`` of what was begun.
    /// - Throws: what ended it, ECANCELED when the task was cancelled, ETIMEDOUT.
    /// - Parameter isolation: of the caller, and named in the closures below: they would run on a thread of the pool without it, in
    ///   a task that does not prefer the worker's.
    func ended(isolation: isolated (any Actor)? = #isolation) async throws(IOCPError) {
        let round = round
        if prefersExecutor {
            await suspend(round)
        } else {
            // A continuation resumes where its task prefers to run, and only then goes on to the caller's actor. Without a
            // preference that would be a thread of the pool: two switches of threads, and a wait if all of them are blocked.
            await withTaskExecutorPreference(executor) { await suspend(round, isolation: isolation) }
        }
        if let failure {
            self.failure = nil
            throw failure
        }
    }

    private var prefersExecutor: Bool {
        unsafe withUnsafeCurrentTask { unsafe $0?.unownedTaskExecutor == executor.asUnownedTaskExecutor() }
    }

    private func suspend(_ round: UInt64, isolation: isolated (any Actor)? = #isolation) async {
        await withTaskCancellationHandler {
            await unsafe withUnsafeContinuation(isolation: isolation) { continuation in
                assert(executor.isOnThread, "a wait left its worker's thread")
                if isWaiting { unsafe self.continuation = continuation } else { unsafe continuation.resume() }
            }
        } onCancel: {
            cancel(round)
        }
    }

    /// Ends the wait, if there is one.
    func end(_ error: IOCPError? = nil) {
        guard isWaiting else { return }
        isWaiting = false
        failure = error
        if let continuation = unsafe continuation {
            unsafe self.continuation = nil
            unsafe continuation.resume()
        }
    }

    /// Thread: any.
    private func cancel(_ round: UInt64) {
        if executor.isOnThread { return endCancelled(round) }
        Task(executorPreference: executor) { self.endCancelled(round) }
    }

    private func endCancelled(_ round: UInt64) {
        if round == self.round { end(.taskCancelled(operation)) }
    }

    private func arm(_ deadline: Until) throws(IOCPError) {
        guard let worker = home.worker else { return }
        if let alarm {
            if alarm.deadline <= deadline { return }
            try? worker.cancelTimer(alarm.timer)
        }
        alarm = nil
        do throws(IOCPError) {
            let timer = try worker.schedule(after: deadline.remaining(at: executor.now)) { [weak self] in self?.ring() }
            alarm = (deadline, timer)
        } catch {
            // A worker that stops takes no timer any more: then its drain is the limit.
            if error.code != ESHUTDOWN { throw error }
        }
    }

    /// The timer fired: for this wait, or for an earlier one that has ended since.
    private func ring() {
        alarm = nil
        guard isWaiting, deadline != .never else { return }
        if deadline.isOver(at: executor.now) { return end(.timedOut(operation)) }
        do throws(IOCPError) { try arm(deadline) } catch { end(error) }
    }
}

enum AwaitMisuse {
    static func twice(_ operation: IOCPError.Operation) -> Never {
        fatalError("two tasks await the same of one connection (\(operation)): one at a time can")
    }

    static func droppedElsewhere() -> Never {
        fatalError("the last reference of a connection that a body made went on another thread than its worker's")
    }
}

extension IOCPError {
    static func taskCancelled(_ operation: Operation) -> IOCPError {
        IOCPError(code: ECANCELED, operation: operation, detail: "the task that waited was cancelled")
    }

    static func handedBack(_ operation: Operation) -> IOCPError {
        IOCPError(code: ENOTCONN, operation: operation, detail: "the connection is its handler's again")
    }

    fileprivate static func timedOut(_ operation: Operation) -> IOCPError {
        IOCPError(code: ETIMEDOUT, operation: operation, detail: "the time that was given to the call is over")
    }

    /// Whether it says that a wait has ended, after which a body may go on.
    var endsWait: Bool { [ETIMEDOUT, ECANCELED].contains(code) }

    /// Why an await of a connection ends that has closed.
    init(endOf reason: CloseReason, _ operation: Operation) {
        switch reason {
        case .reset(let error), .failed(let error), .handlerThrew(let error):
            self = error.endsWait ? IOCPError(code: ENOTCONN, operation: operation, detail: error.summary) : error
        case .local, .aborted, .peer: self.init(code: ENOTCONN, operation: operation)
        case .stopped: self.init(code: ESHUTDOWN, operation: operation, detail: "the port stopped")
        case .idleTimeout, .receiveTimeout, .sendTimeout:
            self.init(code: ENOTCONN, operation: operation, detail: "a timeout of the connection closed it")
        case .sendOverflow: self.init(code: ENOBUFS, operation: operation, detail: "the peer did not read")
        }
    }
}

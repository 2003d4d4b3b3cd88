#if NIO
import Dispatch
import Glibc
import IOCP
public import NIOCore
import Synchronization

/// A loop of an ``IOCPEventLoopGroup``: one worker of a completion port, on one thread.
///
/// It is an executor of Swift's as well: an actor whose `unownedExecutor` is the loop's runs on its thread, and so do the tasks
/// that prefer ``taskExecutor``.
///
/// Thread: as NIO says of each method.
@safe
public final class IOCPEventLoop: NIOSerialEventLoopExecutor, @unchecked Sendable {
    // @unchecked: `tasks` says so of itself; `state` is used on the loop's thread alone.
    let tasks = LoopTasks()
    let port: CompletionPort
    /// Which worker of the port it is.
    let index: Int
    let state: LoopState
    private let thread: pthread_t
    /// Where each promise was made, in debug builds: NIO names the place when one is dropped unkept.
    private let promises = Mutex<[_NIOEventLoopFutureIdentifier: (file: StaticString, line: UInt)]>([:])

    /// On the loop's thread, which it becomes the loop of.
    init(_ worker: Worker, in group: GroupRoster) {
        (port, index) = (worker.port, worker.index)
        state = LoopState(worker, group)
        thread = pthread_self()
    }

    /// Once the loop has ended its thread's name may be another one's: then this is true where its late tasks run.
    public var inEventLoop: Bool {
        state.isOver ? state.afterEnd.isCurrent : pthread_equal(pthread_self(), thread) != 0
    }

    // MARK: - Tasks

    public func execute(_ task: @escaping @Sendable () -> Void) { put(.function(task)) }

    public func submit<T>(_ task: @escaping @Sendable () throws -> T) -> EventLoopFuture<T> {
        let promise = makePromise(of: T.self)
        execute {
            do { promise.assumeIsolatedUnsafeUnchecked().succeed(try task()) } catch { promise.fail(error) }
        }
        return promise.futureResult
    }

    public func scheduleTask<T>(
        deadline: NIODeadline, _ task: @escaping @Sendable () throws -> T
    ) -> Scheduled<T> {
        let promise = makePromise(of: T.self)
        let timer = LoopTimer(deadline) {
            do { promise.assumeIsolatedUnsafeUnchecked().succeed(try task()) } catch { promise.fail(error) }
        } orFail: {
            promise.fail($0)
        }
        if !put(.timer(timer)) { timer.fail(EventLoopError.shutdown) }
        return Scheduled(promise: promise, cancellationTask: { [self] in cancel(timer) })
    }

    public func scheduleTask<T>(in delay: TimeAmount, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
        scheduleTask(deadline: .now() + delay, task)
    }

    private func cancel(_ timer: LoopTimer) {
        timer.isCancelled.store(true, ordering: .releasing)
        if inEventLoop { tasks.forget(timer) } else { put(.forget(timer)) }
    }

    public func enqueue(_ job: consuming ExecutorJob) {
        put(.job(UnownedJob(job)))
    }

    /// - Returns: whether it will run: a timer does not once the loop has ended.
    @discardableResult
    func put(_ task: LoopTask) -> Bool {
        if inEventLoop, !state.isOver {
            tasks.add(task)
            return true
        }
        switch tasks.add(fromElsewhere: task) {
        case .waiting: return true
        case .first:
            port.interrupt(worker: index)
            return true
        case .refused: return state.afterEnd.take(task, of: self)
        }
    }

    /// Runs tasks on this loop's thread: `Task(executorPreference: loop.taskExecutor)`.
    public var taskExecutor: any TaskExecutor { LoopTaskExecutor(self) }

    public func makeSucceededVoidFuture() -> EventLoopFuture<Void> {
        if inEventLoop, let made = state.succeeded { return made }
        // `makeSucceededFuture(())` asks here.
        let promise = makePromise(of: Void.self)
        promise.succeed(())
        if inEventLoop, !state.isOver { state.succeeded = promise.futureResult }
        return promise.futureResult
    }

    public func _promiseCreated(futureIdentifier: _NIOEventLoopFutureIdentifier, file: StaticString, line: UInt) {
        promises.withLock { $0[futureIdentifier] = (file, line) }
    }

    public func _promiseCompleted(
        futureIdentifier: _NIOEventLoopFutureIdentifier
    ) -> (file: StaticString, line: UInt)? {
        promises.withLock { $0.removeValue(forKey: futureIdentifier) }
    }

    public func preconditionInEventLoop(file: StaticString, line: UInt) {
        precondition(inEventLoop, "this is not the thread of the event loop", file: file, line: line)
    }

    public func preconditionNotInEventLoop(file: StaticString, line: UInt) {
        precondition(!inEventLoop, "this is the thread of the event loop", file: file, line: line)
    }

    // MARK: - As a group of one

    public func next() -> any EventLoop { self }

    public func any() -> any EventLoop { self }

    public func makeIterator() -> EventLoopIterator { EventLoopIterator([self]) }

    /// A loop goes with its group: this fails with `unsupportedOperation`.
    public func shutdownGracefully(queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void) {
        queue.async { callback(EventLoopError.unsupportedOperation) }
    }
}

extension IOCPEventLoop: CustomStringConvertible {
    public var description: String { "IOCPEventLoop(\(index), \(port.driver))" }
}

/// The loop as an executor that tasks prefer: a job from here says so of itself when it runs.
private final class LoopTaskExecutor: TaskExecutor {
    private let loop: IOCPEventLoop

    init(_ loop: IOCPEventLoop) { self.loop = loop }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        loop.put(.function { [self] in unsafe job.runSynchronously(on: asUnownedTaskExecutor()) })
    }
}
#endif

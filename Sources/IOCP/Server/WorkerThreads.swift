import CIOCP
import Synchronization

/// A port whose workers run on threads of its own: what a server and a client have in common.
@usableFromInline
final class WorkerThreads: Sendable {
    @usableFromInline let port: CompletionPort
    /// What ended each worker early. Written on its thread, read after that was joined.
    private let failures: Failures
    private let ends = Ends()

    /// Starts every worker; `body` runs on each one's thread. When one cannot start, the others are ended first.
    /// - Throws: why a worker could not be started; or what ended an earlier one meanwhile, which stops the port.
    @usableFromInline
    init(_ configuration: PortConfiguration, body: @escaping @Sendable (Worker) throws(IOCPError) -> Void)
        throws(IOCPError)
    {
        port = try CompletionPort(configuration)
        failures = Failures(count: port.workerCount)
        for index in 0..<port.workerCount {
            do throws(IOCPError) {
                try spawn(index, body)
            } catch {
                port.stop()
                throw join() == 0 ? failures.first ?? error : error
            }
        }
        ends.leave()
    }

    /// Starts every worker, each with a handler that is made on its thread.
    @inlinable
    convenience init<Handler: ConnectionHandler>(
        _ configuration: PortConfiguration, handler: @escaping @Sendable (Worker) throws(IOCPError) -> Handler
    ) throws(IOCPError) {
        try self.init(configuration) { worker throws(IOCPError) in
            var handler = try handler(worker)
            try worker.run(&handler)
        }
    }

    /// On a thread that serves connections nobody is joined: the last reference may go in a handler, and its thread cannot
    /// wait for itself. The threads end by themselves then, and the core's port with the last of them.
    deinit {
        port.stop()
        _ = join()
    }

    /// Waits until the port was stopped and every worker has delivered everything.
    @usableFromInline
    func wait() throws(IOCPError) {
        let result = join()
        if result < 0 {
            throw IOCPError(
                code: result, operation: .wait,
                detail: "wait() was called by a handler, whose thread would wait for itself")
        }
        if let error = failures.first { throw error }
    }

    /// The same, without holding a thread. If the task is cancelled, the port stops.
    func wait(drainingFor drain: Duration) async throws(IOCPError) {
        await withTaskCancellationHandler {
            await ends.wait()
        } onCancel: {
            port.stop(drainingFor: drain)
        }
        _ = join()  // they are at their ends
        if let error = failures.first { throw error }
    }

    /// - Returns: 0, or -EDEADLK where this thread serves connections.
    private func join() -> Int32 {
        for index in 0..<UInt32(port.workerCount) {
            let result = unsafe iocp_port_join(port.raw, index)
            if result < 0 { return result }
        }
        // Idle threads of the pool end with the last worker. One that still runs work ends with that.
        return unsafe iocp_port_join_offload(port.raw)
    }

    private func spawn(_ index: Int, _ body: @escaping @Sendable (Worker) throws(IOCPError) -> Void)
        throws(IOCPError)
    {
        ends.enter()
        let start = Start(port) { [port, failures, ends] worker in
            defer { ends.leave() }
            do throws(IOCPError) {
                try body(worker)
            } catch {
                // A worker that ends alone would leave its share of the clients unanswered.
                failures.record(error, ofWorker: index)
                port.stop()
            }
        }
        var reason = unsafe iocp_failure()
        let context = unsafe Unmanaged.passRetained(start)
        let result = unsafe iocp_port_spawn(port.raw, UInt32(index), Start.enter, context.toOpaque(), &reason)
        if result < 0 {
            unsafe context.release()
            ends.leave()
            throw unsafe IOCPError(reason, .attach)
        }
    }

    @safe
    private final class Failures: @unchecked Sendable {
        // @unchecked: each worker writes its own element; iocp_port_join orders the writes before the reads.
        private let entries: UnsafeMutableBufferPointer<IOCPError?>

        init(count: Int) {
            unsafe entries = .allocate(capacity: count)
            unsafe entries.initialize(repeating: nil)
        }

        deinit {
            unsafe entries.deinitialize()
            unsafe entries.deallocate()
        }

        func record(_ error: IOCPError, ofWorker index: Int) { unsafe entries[index] = error }

        var first: IOCPError? { unsafe entries.lazy.compactMap(\.self).first }
    }

    /// Counts the threads that run, and those that are still to be started as one.
    private final class Ends: Sendable {
        @safe
        private struct State {
            var running = 1
            var waiting: [UnsafeContinuation<Void, Never>] = unsafe []
        }
        private let state = Mutex(State())

        func enter() { state.withLock { $0.running += 1 } }

        /// Those who wait are woken within the lock: they run elsewhere, and ThreadSanitizer sees no order behind it.
        func leave() {
            state.withLock { state in
                state.running -= 1
                guard state.running == 0 else { return }
                unsafe state.waiting.forEach { unsafe $0.resume() }
                unsafe state.waiting = []
            }
        }

        func wait() async {
            await unsafe withUnsafeContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.running > 0 { unsafe state.waiting.append(continuation) }
                    return state.running == 0
                }
                if isOver { unsafe continuation.resume() }
            }
        }
    }

    /// What a new thread needs, handed through C.
    private final class Start: Sendable {
        private let port: CompletionPort
        private let run: @Sendable (Worker) -> Void

        init(_ port: CompletionPort, _ run: @escaping @Sendable (Worker) -> Void) {
            (self.port, self.run) = (port, run)
        }

        /// Not a closure: one written in main-actor code would check for the main thread, and trap here.
        static let enter: iocp_worker_body = { worker, context in
            guard let worker = unsafe worker, let context = unsafe context else { return }
            let start = unsafe Unmanaged<Start>.fromOpaque(context).takeRetainedValue()
            let owned = unsafe Worker(raw: worker, port: start.port, isAttached: false)
            start.run(owned)
            owned.dropClosures()  // a handler that could not be made may have scheduled some
        }
    }
}

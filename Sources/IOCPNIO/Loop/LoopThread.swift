#if NIO
import Dispatch
import Glibc
import IOCP
import Synchronization

/// A thread of a group.
final class LoopThread: Sendable {
    private let thread = Mutex<pthread_t?>(nil)

    /// Starts the thread that becomes a loop, and waits until it has one.
    func start(_ index: Int, _ port: CompletionPort, _ roster: GroupRoster) throws(IOCPError) -> IOCPEventLoop {
        let start = Start()
        run {
            do throws(IOCPError) {
                let worker = try port.attachWorker()
                let loop = IOCPEventLoop(worker, in: roster)
                start.tell(.success(loop))
                loop.run()
            } catch {
                start.tell(.failure(error))
            }
        }
        return try start.wait().get()
    }

    /// Runs a body on the thread. A system without a thread to give ends the process with its name: nothing was opened yet.
    func run(_ body: @escaping @Sendable () -> Void) {
        let context = unsafe Unmanaged.passRetained(Body(body))
        var made = pthread_t()
        let result = unsafe pthread_create(
            &made, nil,
            { context in
                guard let context = unsafe context else { return nil }
                unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
                return nil
            }, context.toOpaque())
        precondition(
            result == 0,
            "a thread of an event loop group cannot be started: \(unsafe String(cString: strerror(result)))")
        thread.withLock { $0 = made }
    }

    func join() {
        guard let made = thread.withLock({ $0.take() }) else { return }
        pthread_join(made, nil)
    }

    func detach() {
        guard let made = thread.withLock({ $0.take() }) else { return }
        pthread_detach(made)
    }

    private final class Body: Sendable {
        let run: @Sendable () -> Void

        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// What a thread came to, told once.
    private final class Start: Sendable {
        private let isTold = DispatchSemaphore(value: 0)
        private let result = Mutex<Result<IOCPEventLoop, IOCPError>?>(nil)

        func tell(_ result: Result<IOCPEventLoop, IOCPError>) {
            self.result.withLock { $0 = result }
            isTold.signal()
        }

        func wait() -> Result<IOCPEventLoop, IOCPError> {
            isTold.wait()
            return result.withLock { $0! }
        }
    }
}
#endif

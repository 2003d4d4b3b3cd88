import Dispatch
import Glibc
import Synchronization
import Testing

/// Runs each test of a suite on threads of its own.
///
/// The runtime's pool has as many threads as there are CPUs. Tests that block, for a child process or a peer, would take
/// them all, and then nothing moves that another test's server wants of the pool.
package struct OwnThreads: SuiteTrait, TestTrait, TestScoping {
    package var isRecursive: Bool { true }

    package func provideScope(
        for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
    ) async throws {
        try await withTaskExecutorPreference(ThreadPerJob.shared) { try await function() }
    }
}

extension Trait where Self == OwnThreads {
    package static var ownThreads: Self { OwnThreads() }
}

/// Every job gets a thread: however many block, the next one runs.
private final class ThreadPerJob: TaskExecutor {
    static let shared = ThreadPerJob()

    private let waiting = Mutex<[UnownedJob]>([])
    private let count = DispatchSemaphore(value: 0)

    /// One thread starts all the others: a thread inherits its CPUs, and a job may come from a worker that is bound to one.
    private init() {
        startThread { [self] in
            while true {
                count.wait()
                let job = waiting.withLock { $0.removeFirst() }
                startThread { job.runSynchronously(on: self.asUnownedTaskExecutor()) }
            }
        }
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        waiting.withLock { $0.append(job) }
        count.signal()
    }
}

private func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Start {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let result = pthread_create(
        &thread, nil,
        { start in
            Unmanaged<Start>.fromOpaque(start!).takeRetainedValue().body()
            return nil
        }, Unmanaged.passRetained(Start(body)).toOpaque())
    precondition(result == 0, "no thread for a test: \(String(cString: strerror(result)))")
    pthread_detach(thread)
}

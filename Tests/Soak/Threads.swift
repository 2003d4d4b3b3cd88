#if Command
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Runs `body` on `count` threads of their own and waits for all; the first error is rethrown.
func onThreads<Value: Sendable>(_ count: Int, _ body: @escaping @Sendable (Int) throws -> Value) throws -> [Value] {
    let jobs = (0..<count).map { index in Job { try body(index) } }
    for job in jobs { job.start() }
    for job in jobs { job.join() }
    return try jobs.map { try $0.result!.get() }
}

/// One thread and what came of it.
final class Job<Value: Sendable>: @unchecked Sendable {
    // @unchecked: written by its thread, read by the starter after the join.
    private(set) var result: Result<Value, any Error>?
    private let body: @Sendable () throws -> Value
    private var thread = pthread_t()

    init(_ body: @escaping @Sendable () throws -> Value) {
        self.body = body
    }

    func start() {
        // The closure a C thread starts with captures nothing, so the job travels through its argument.
        let run = Box { self.result = Result { try self.body() } }
        let created = pthread_create(
            &thread, nil,
            { context in
                Unmanaged<Box>.fromOpaque(context!).takeRetainedValue().body()
                return nil
            }, Unmanaged.passRetained(run).toOpaque())
        precondition(created == 0, "no thread: \(String(cString: strerror(created)))")
    }

    func join() { pthread_join(thread, nil) }
}

private final class Box {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
}

/// Polls each millisecond until the condition holds. Returns how long it took, or nil when the time ran out first.
func wait(within limit: Duration, until condition: () throws -> Bool) rethrows -> Duration? {
    let start = ContinuousClock.now
    while try !condition() {
        if ContinuousClock.now - start > limit { return nil }
        usleep(1000)
    }
    return ContinuousClock.now - start
}

/// CLOCK_MONOTONIC, in nanoseconds.
func monotonicNanoseconds() -> UInt64 {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
}
#endif

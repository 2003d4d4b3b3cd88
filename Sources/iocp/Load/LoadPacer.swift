#if Command
import Dispatch
import IOCP
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Wakes the workers of an open loop when their next message is due.
///
/// A thread of its own, since a worker's timers are up to 1 ms late, which would be most of a latency.
final class LoadPacer: Sendable {
    private let next: [Next]
    private let ended = Atomic(false)
    /// Wakes the thread where no worker has a message that is due, ever.
    private let changed = DispatchSemaphore(value: 0)

    private final class Next: Sendable {
        let time = Atomic(LoadPacer.idle)
    }

    /// No message is due, or none is known of yet.
    private static let idle = UInt64.max
    /// A tick is on its way to the worker.
    private static let ticking = UInt64.max - 1
    /// Between two rounds of ticks: many messages a second are sent a few at a time, and the load keeps its core.
    private static let intervalNanoseconds: UInt64 = 50_000
    /// How soon it notices that something changed: an earlier message of another worker, or its end.
    static let noticesWithinNanoseconds: UInt64 = 1_000_000

    init(workers: Int) {
        next = (0..<workers).map { _ in Next() }
    }

    /// From the worker's thread.
    func setNext(_ time: UInt64, ofWorker worker: Int) {
        if next[worker].time.exchange(time, ordering: .relaxed) == LoadPacer.idle { changed.signal() }
    }

    /// From the worker's thread, which has nothing to send until it sets a time again.
    func rest(worker: Int) {
        next[worker].time.store(LoadPacer.idle, ordering: .relaxed)
    }

    // MARK: The thread

    /// Runs `body` while a thread of the pacer's posts ticks to the port's workers.
    func run<Result>(on port: CompletionPort, _ body: () throws(IOCPError) -> Result) throws(IOCPError) -> Result {
        tightenTimers()
        let start = unsafe Unmanaged.passRetained(Start(pacer: self, port: port)).toOpaque()
        var thread = pthread_t()
        let code = unsafe pthread_create(&thread, nil, LoadPacer.enter, start)
        guard code == 0 else {
            unsafe Unmanaged<Start>.fromOpaque(start).release()
            throw IOCPError(code: code, operation: .thread, detail: "the load's pacer")
        }
        defer {
            ended.store(true, ordering: .relaxed)
            changed.signal()
            pthread_join(thread, nil)
        }
        return try body()
    }

    /// The kernel adds up to 50 µs to a sleep unless it is told otherwise; where it cannot be told, the report shows it.
    /// A thread inherits this from the one that starts it, here the process' first.
    private func tightenTimers() {
        let file = unsafe open("/proc/self/timerslack_ns", O_WRONLY | O_CLOEXEC)
        guard file >= 0 else { return }
        _ = unsafe write(file, "1", 1)
        close(file)
    }

    private final class Start: Sendable {
        let pacer: LoadPacer
        let port: CompletionPort

        init(pacer: LoadPacer, port: CompletionPort) {
            (self.pacer, self.port) = (pacer, port)
        }
    }

    /// Not a closure: one written in main-actor code would check for the main thread, and trap here.
    private static let enter: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { start in
        let start = unsafe Unmanaged<Start>.fromOpaque(start!).takeRetainedValue()
        start.pacer.tick(start.port)
        return nil
    }

    private func tick(_ port: CompletionPort) {
        while !ended.load(ordering: .relaxed) {
            let now = MonotonicClock.nanoseconds()
            var wake = LoadPacer.idle
            for (worker, entry) in next.enumerated() {
                let time = entry.time.load(ordering: .relaxed)
                if time <= now {
                    // Before the post: the worker sets the next time when it gets it.
                    entry.time.store(LoadPacer.ticking, ordering: .relaxed)
                    do throws(IOCPError) {
                        try port.post(LoadOrder.tick.rawValue, toWorker: worker)
                    } catch {
                        entry.time.store(time, ordering: .relaxed)
                    }
                    wake = now
                } else if time == LoadPacer.ticking {
                    wake = now
                } else {
                    wake = min(wake, time)
                }
            }
            if wake == LoadPacer.idle {
                changed.wait()
            } else {
                let noticed = min(wake, now + LoadPacer.noticesWithinNanoseconds)
                sleep(until: max(noticed, now + LoadPacer.intervalNanoseconds))
            }
        }
    }

    private func sleep(until time: UInt64) {
        var wake = timespec(tv_sec: Int(time / 1_000_000_000), tv_nsec: Int(time % 1_000_000_000))
        unsafe clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &wake, nil)
    }
}
#endif

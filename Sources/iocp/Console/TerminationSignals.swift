#if Command
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// SIGINT and SIGTERM as something to wait for.
///
/// Made before any other thread starts: threads inherit the mask, and a thread that left the signals open would be
/// killed by them.
struct TerminationSignals {
    private var signals = sigset_t()

    init() {
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGINT)
        unsafe sigaddset(&signals, SIGTERM)
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    /// Waits for the first signal and returns its number. A second one ends the process at once.
    @discardableResult
    mutating func wait() -> Int32 {
        var received: Int32 = 0
        unsafe sigwait(&signals, &received)
        unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        return received
    }

    /// Waits for a signal at most until a time of the monotonic clock; nil if none came.
    mutating func wait(until deadline: UInt64) -> Int32? {
        while true {
            let now = MonotonicClock.nanoseconds()
            let left = deadline > now ? deadline - now : 0
            var time = timespec(tv_sec: Int(left / 1_000_000_000), tv_nsec: Int(left % 1_000_000_000))
            let received = unsafe sigtimedwait(&signals, nil, &time)
            if received > 0 { return received }
            if left == 0 { return nil }
        }
    }

    /// Waits on a thread of its own, and calls `body` there with the signal that came.
    func onFirst(_ body: @escaping @Sendable (Int32) -> Void) {
        let start = unsafe Unmanaged.passRetained(Watch(self, body)).toOpaque()
        var thread = pthread_t()
        if unsafe pthread_create(&thread, nil, Watch.enter, start) == 0 {
            pthread_detach(thread)
        } else {
            // Without a thread to wait they do what they do by default.
            unsafe Unmanaged<Watch>.fromOpaque(start).release()
            var open = self
            unsafe pthread_sigmask(SIG_UNBLOCK, &open.signals, nil)
        }
    }

    /// What the thread needs, handed through C.
    private final class Watch: Sendable {
        private let signals: TerminationSignals
        private let body: @Sendable (Int32) -> Void

        init(_ signals: TerminationSignals, _ body: @escaping @Sendable (Int32) -> Void) {
            (self.signals, self.body) = (signals, body)
        }

        /// Not a closure: one written in main-actor code would check for the main thread, and trap here.
        static let enter: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { start in
            let watch = unsafe Unmanaged<Watch>.fromOpaque(start!).takeRetainedValue()
            var signals = watch.signals
            watch.body(signals.wait())
            // The second signal is to find a thread that takes it.
            while true { pause() }
        }
    }
}
#endif

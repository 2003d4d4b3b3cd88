import Glibc

/// SIGINT and SIGTERM as something to wait for.
///
/// Made before any other thread starts: threads inherit the mask, and a thread that left the signals open would be
/// killed by them.
public struct TerminationSignals {
    private var signals = sigset_t()

    public init() {
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGINT)
        unsafe sigaddset(&signals, SIGTERM)
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    /// Waits for the first signal. A second one ends the process at once.
    public mutating func wait() {
        var received: Int32 = 0
        unsafe sigwait(&signals, &received)
        unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }
}

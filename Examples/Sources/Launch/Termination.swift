#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// SIGINT and SIGTERM as something to wait for. Make it before the server: threads inherit the mask, and a signal would
/// end the process on a thread that had it open.
public struct Termination {
    private var signals = sigset_t()

    public init() {
        unsafe sigemptyset(&signals)
        unsafe sigaddset(&signals, SIGINT)
        unsafe sigaddset(&signals, SIGTERM)
        unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    }

    /// Returns at the first signal. A second one ends the process at once.
    public mutating func wait() {
        var signal: Int32 = 0
        unsafe sigwait(&signals, &signal)
        unsafe pthread_sigmask(SIG_UNBLOCK, &signals, nil)
    }
}

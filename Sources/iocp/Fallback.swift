#if Command
import IOCP

extension CompletionPort {
    /// One line on stderr when `auto` had to settle for epoll.
    func warnAboutFallback() {
        guard let cause = fallbackCause else { return }
        let reason = cause.cause.map { ": " + $0 } ?? ""
        Console.complain("warning: using epoll: \(cause.summary) (\(cause.name))\(reason)")
    }
}
#endif

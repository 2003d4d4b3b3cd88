#if Service
import IOCP

/// Which workers stall: their handler runs, and their other connections wait.
struct Stalls: Sendable {
    let port: CompletionPort
    let limit: Duration

    /// The workers whose handler has run for longer than the limit, and how long.
    func now() -> [(worker: Int, busy: Duration)] {
        let now = Duration.onMonotonicClock
        return (0..<port.workerCount).compactMap { worker in
            let busy = port.stats(ofWorker: worker).busy(at: now)
            return busy > limit ? (worker, busy) : nil
        }
    }
}

extension Duration {
    /// "1.5 s", for a log.
    var inSeconds: String {
        let tenths = self / .milliseconds(100)
        return "\((tenths.rounded() / 10)) s"
    }
}
#endif

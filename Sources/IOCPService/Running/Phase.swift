#if Service
import Synchronization

/// How far a service is.
enum Phase: Sendable {
    case starting
    case ready
    /// It was asked to stop; it may still accept.
    case stopping
    case stopped
}

/// The phase of a service, for all who ask.
final class PhaseBoard: Sendable {
    private let phase = Mutex(Phase.starting)

    var now: Phase { phase.withLock { $0 } }

    /// Goes on to a later phase. Returns false where it is there already, or beyond.
    @discardableResult
    func enter(_ next: Phase) -> Bool {
        phase.withLock { phase in
            guard phase.order < next.order else { return false }
            phase = next
            return true
        }
    }
}

extension Phase {
    fileprivate var order: Int {
        switch self {
        case .starting: 0
        case .ready: 1
        case .stopping: 2
        case .stopped: 3
        }
    }
}
#endif

#if Service
import Synchronization

/// How far a service is, in the order in which it goes.
enum Phase: Int, Sendable {
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
            guard phase.rawValue < next.rawValue else { return false }
            phase = next
            return true
        }
    }
}
#endif

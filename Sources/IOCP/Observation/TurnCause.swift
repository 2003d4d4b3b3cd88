import CIOCP

/// What the application was at in a turn, the time between two waits of its worker.
///
/// Known where a handler or a body runs. A loop of one's own over ``Worker/wait(into:timeout:)`` says nothing of it.
public enum TurnCause: String, Sendable, CaseIterable {
    /// The handler's `opened`, or the start of a body.
    case opened
    /// The handler's `connectFailed`.
    case connectFailed
    /// The handler's `received`.
    case received
    /// The handler's `peerFinished`.
    case peerFinished
    /// The handler's `sent`.
    case sent
    /// The handler's `unsentFell`.
    case unsentFell
    /// The handler's `writable`.
    case writable
    /// The handler's `posted`.
    case posted
    /// The handler's `timerFired`, or a scheduled closure.
    case timer
    /// The handler's `closed`.
    case closed
    /// The handler's `stopping`.
    case stopping
    /// The handler's `migrating`.
    case migrating
    /// The handler's `migrated`.
    case migrated
    /// Bodies and other async code on the worker.
    case jobs
    /// Results of ``IocpContext/offload(_:then:)`` and its like.
    case offloaded
    /// A loop of one's own, a page of a build that does not tell, or a cause that only a newer build has.
    case unknown

    init(number: UInt64) {
        guard let number = UInt8(exactly: number) else {
            self = .unknown
            return
        }
        self =
            switch iocp_completion_kind(rawValue: number) {
            case IOCP_COMPLETION_OPENED: .opened
            case IOCP_COMPLETION_CONNECT_FAILED: .connectFailed
            case IOCP_COMPLETION_RECEIVED: .received
            case IOCP_COMPLETION_PEER_FINISHED: .peerFinished
            case IOCP_COMPLETION_SENT: .sent
            case IOCP_COMPLETION_UNSENT_FELL: .unsentFell
            case IOCP_COMPLETION_WRITABLE: .writable
            case IOCP_COMPLETION_POSTED: .posted
            case IOCP_COMPLETION_TIMER: .timer
            case IOCP_COMPLETION_CLOSED: .closed
            case IOCP_COMPLETION_STOPPING: .stopping
            case IOCP_COMPLETION_LEAVING: .migrating
            case IOCP_COMPLETION_ARRIVED: .migrated
            default:
                switch Int(number) {
                case Int(IOCP_TURN_JOBS): .jobs
                case Int(IOCP_TURN_OFFLOADS): .offloaded
                default: .unknown
                }
            }
    }
}

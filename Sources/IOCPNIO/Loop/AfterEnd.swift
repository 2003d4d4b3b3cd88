#if NIO
import Dispatch
import NIOCore

/// Where a loop's tasks run that come after its end, one at a time: an executor cannot refuse, and a promise is kept by a task of
/// its loop. They find their channels closed.
final class AfterEnd: Sendable {
    private static let key = DispatchSpecificKey<ObjectIdentifier>()
    /// Inactive until the loop has ended, so that what comes while it ends waits for that.
    private let queue = DispatchQueue(label: "iocp.nio.after-end", attributes: .initiallyInactive)

    init() { queue.setSpecific(key: Self.key, value: ObjectIdentifier(self)) }

    /// The loop has ended. Called once, before the last reference goes.
    func begin() { queue.activate() }

    var isCurrent: Bool { DispatchQueue.getSpecific(key: Self.key) == ObjectIdentifier(self) }

    /// - Returns: whether it will run.
    func take(_ task: LoopTask, of loop: IOCPEventLoop) -> Bool {
        switch task {
        case .function, .job: queue.async { loop.run(task) }
        case .timer, .forget: return false
        }
        return true
    }
}
#endif

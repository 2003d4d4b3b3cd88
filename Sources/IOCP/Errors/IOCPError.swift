import CIOCP

/// Why an operation was refused or failed: the system's error, where it arose, its likely cause and a remedy.
///
/// Operating errors only: a broken precondition (a lease returned twice, a context used after its port is gone) traps.
public struct IOCPError: Error, Hashable, Sendable {
    /// The step that failed.
    public enum Stage: UInt8, Hashable, Sendable {
        /// An operation on a connection or a worker.
        case operation = 0
        case configuration = 1
        case memory, ring, ringFiles, ringBuffers, ringLockdown, epoll, thread, stats, listen, state
        case busyPoll
    }

    /// The positive error number, as in `errno(3)`.
    public let code: Int32
    public let stage: Stage
    /// What exactly was refused, where the core knows.
    public let detail: String?

    public init(code: Int32, stage: Stage = .operation, detail: String? = nil) {
        self.code = code < 0 ? -code : code
        self.stage = stage
        self.detail = detail
    }

    /// From a core function's result; the error path of `check`.
    @usableFromInline
    init(result: Int32) {
        self.init(code: result)
    }

    init(_ failure: iocp_failure) {
        let detail = unsafe failure.detail.map { unsafe String(cString: $0) }
        unsafe self.init(
            code: failure.code, stage: Stage(rawValue: failure.stage.rawValue) ?? .operation, detail: detail)
    }

    /// The C name: "EPERM". "E<number>" for a number the C library does not name.
    public var name: String {
        unsafe iocp_error_name(code).map { unsafe String(cString: $0) } ?? "E\(code)"
    }
}

extension IOCPError: CustomStringConvertible {
    /// One line: what failed (the C name): likely cause; remedy.
    public var description: String {
        let explanation = Explanation(self)
        let subject = explanation.summary + " (\(name))"
        return [subject, explanation.cause, explanation.remedy].compactMap(\.self).joined(separator: ": ")
    }

    public var summary: String { Explanation(self).summary }
    public var cause: String? { Explanation(self).cause }
    public var remedy: String? { Explanation(self).remedy }
}

/// Turns a function's result into a value or a thrown error.
@inlinable
@inline(__always)
func check(_ result: Int32) throws(IOCPError) {
    if result < 0 { throw IOCPError(result: result) }
}

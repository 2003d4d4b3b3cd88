import CIOCP

/// Why an operation was refused or failed: the system's error, what failed, its likely cause and a remedy.
///
/// Operating errors only: a broken precondition (a call that cannot throw on another thread than its worker's, the state
/// of a closed connection) traps.
public struct IOCPError: Error, Hashable, Sendable {
    /// The positive error number, as in `errno(3)`.
    public let code: Int32
    /// What failed. The explanation is chosen by both: the same code means different things to different calls.
    public let operation: Operation
    /// What exactly was refused, where that is known.
    public let detail: String?

    /// An error of the application's own, to be thrown by a handler; or one for a test.
    /// - Parameter code: an error number of either sign.
    public init(code: Int32, operation: Operation = .application, detail: String? = nil) {
        self.code = Int32(clamping: code.magnitude)
        self.operation = operation
        self.detail = detail
    }

    /// An error of any type, for a handler to throw. An `IOCPError` stays what it is, and so does a ``FramingError``;
    /// another one is EIO of the operation `application`, with its description as the detail.
    public init(wrapping error: any Error) {
        switch error {
        case let error as IOCPError: self = error
        case let error as FramingError: self.init(error)
        default: self.init(code: 5 /* EIO */, detail: "\(error)")
        }
    }

    /// From a core function's result; the error path of `check`.
    @usableFromInline
    init(result: Int32, _ operation: Operation) {
        guard result > -Int32(IOCP_LAYER_PEER_REFUSED.rawValue) else {
            self.init(securityFailure: -result)
            return
        }
        self.init(code: result, operation: operation)
    }

    /// From a failure of what secures a connection.
    private init(securityFailure failure: Int32) {
        let words = unsafe iocp_layer_failure_words(failure).map { unsafe String(cString: $0) }
        let code: Int32 =
            switch iocp_layer_failure(rawValue: UInt32(failure)) {
            case IOCP_LAYER_TIMED_OUT: 110  // ETIMEDOUT
            case IOCP_LAYER_UNBEGUN: 104  // ECONNRESET
            case IOCP_LAYER_CUT: 74  // EBADMSG
            case IOCP_LAYER_NO_ROOM: 105  // ENOBUFS
            default: 71  // EPROTO
            }
        self.init(code: code, operation: .security, detail: words)
    }

    /// From a failure of setting up. A step that the core names says more than the call that took it.
    init(_ failure: iocp_failure, _ call: Operation) {
        // `IOCP_STAGE_STATE` is no step: it is the call that does not fit the port's state.
        let step = unsafe failure.stage == IOCP_STAGE_NONE ? nil : Operation(rawValue: failure.stage.rawValue)
        let words = unsafe failure.detail.map { unsafe String(cString: $0) }
        let detail = step == .configuration ? words.map(ConfigurationBounds.translated) : words
        unsafe self.init(code: failure.code, operation: step ?? call, detail: detail)
    }

    /// The C name: "EPERM". "E<number>" for a number the C library does not name.
    public var name: String {
        unsafe iocp_error_name(code).map { unsafe String(cString: $0) } ?? "E\(code)"
    }
}

extension IOCPError: CustomStringConvertible {
    /// One line: what failed (the C name): likely cause; remedy. Safe to print: see ``cause``.
    public var description: String {
        let explanation = Explanation(self)
        let subject = explanation.summary + " (\(name))"
        return [subject, explanation.cause, explanation.remedy].compactMap(\.self).joined(separator: ": ").printable
    }

    /// What failed, in a few words.
    public var summary: String { Explanation(self).summary.printable }
    /// Why, where it is known or likely. A name that was given (a host) may be in it; its control characters are
    /// spelled out.
    public var cause: String? { Explanation(self).cause?.printable }
    /// What helps, where anything does.
    public var remedy: String? { Explanation(self).remedy?.printable }
}

/// Turns a function's result into a value or a thrown error.
@inlinable
@inline(__always)
func check(_ result: Int32, _ operation: IOCPError.Operation) throws(IOCPError) {
    if result < 0 { throw IOCPError(result: result, operation) }
}

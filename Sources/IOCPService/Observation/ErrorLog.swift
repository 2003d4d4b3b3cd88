#if Service
public import IOCP
public import Logging
import Synchronization

/// Logs what handlers and bodies throw, a line each, and no more lines than one can read: a peer that finds what throws may
/// make it throw a million times.
///
/// ```swift
/// let errors = ErrorLog(logger)
/// let server = try IOCPServer(settings.port, onError: errors.record) { worker, connection in
///     while let line = try await connection.line() { try await connection.send(line + "\n") }
/// }
/// ```
/// A handler calls ``record(_:of:in:)`` in its `failed`, and in `closed` for `CloseReason.handlerThrew`. The kernel no longer
/// knows the peer of a closed connection. Keep a ``ConnectionIdentity`` in the connection's state if log lines should name it.
///
/// Thread: any. Logging takes the time of the log's backend, on the thread that calls, a worker's too.
public final class ErrorLog: Sendable {
    private struct State {
        var left: Int
        var ends: ContinuousClock.Instant
        var suppressed = 0
    }

    private let logger: Logger
    private let level: Logger.Level
    private let most: Int
    private let period: Duration
    private let state: Mutex<State>

    /// - Parameters:
    ///   - most: lines in each `period`; what is beyond is counted, and told with the next line. At least 1.
    public init(_ logger: Logger, level: Logger.Level = .warning, most: Int = 10, per period: Duration = .seconds(1)) {
        (self.logger, self.level, self.most, self.period) = (logger, level, max(1, most), period)
        state = Mutex(State(left: max(1, most), ends: .now + period))
    }

    /// What a body threw, with its connection and peer.
    public func record(_ error: BodyError) {
        record(error.error, of: error.connection.map { ConnectionIdentity($0, peer: error.peer) })
    }

    /// - Parameters:
    ///   - connection: of the handler that threw the error.
    ///   - method: where it was thrown.
    public func record(_ error: IOCPError, of connection: ConnectionIdentity? = nil, in method: HandlerMethod? = nil) {
        guard let suppressed = takeLine() else { return }
        var metadata = connection?.metadata ?? [:]
        metadata["error"] = "\(error)"
        metadata["errno"] = "\(error.name)"
        if let method { metadata["method"] = "\(method)" }
        if suppressed > 0 { metadata["unlogged"] = "\(suppressed)" }
        logger.log(level: level, "an error ended what a handler was at", metadata: metadata)
    }

    /// How many were suppressed before this line; nil where this one is, too.
    private func takeLine() -> Int? {
        state.withLock { state in
            let now = ContinuousClock.now
            if now >= state.ends { (state.left, state.ends) = (most, now + period) }
            guard state.left > 0 else {
                state.suppressed += 1
                return nil
            }
            state.left -= 1
            defer { state.suppressed = 0 }
            return state.suppressed
        }
    }
}
#endif

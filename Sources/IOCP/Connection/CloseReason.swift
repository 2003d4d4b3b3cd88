import CIOCP

/// Why a connection closed.
public enum CloseReason: Hashable, Sendable {
    /// `close()` here.
    case local
    /// The peer sent FIN.
    case peer
    /// The peer sent RST or vanished.
    case reset(IOCPError)
    /// `abort()` here.
    case aborted
    /// The port stopped.
    case stopped
    /// Nothing was received or sent for ``PortConfiguration/idleTimeout``, or the connection's own.
    case idleTimeout
    /// Too little was received within ``PortConfiguration/receiveTimeout``, or the connection's own.
    case receiveTimeout
    /// The peer took none of the unsent bytes for `sendTimeout`; or, after a graceful close, for `lingerTimeout`.
    case sendTimeout
    /// Unsent bytes passed the hard cap, under the policy that closes. Or the peer did not read, and others needed the memory
    /// in which its bytes waited: the connection that made no progress for longest makes room.
    case sendOverflow
    /// Another error of the transport, or of what secures the connection (TLS), whose operation is
    /// ``IOCPError/Operation/security``.
    case failed(IOCPError)
    /// A method of the handler threw this, and the connection was aborted. Never in a loop of your own.
    case handlerThrew(IOCPError)

    @usableFromInline
    init(reason: UInt16, result: Int32) {
        switch iocp_close_reason(rawValue: reason) {
        case IOCP_CLOSE_LOCAL: self = .local
        case IOCP_CLOSE_PEER: self = .peer
        case IOCP_CLOSE_RESET: self = .reset(IOCPError(result: result, .transport))
        case IOCP_CLOSE_ABORTED: self = .aborted
        case IOCP_CLOSE_STOPPED: self = .stopped
        case IOCP_CLOSE_IDLE_TIMEOUT: self = .idleTimeout
        case IOCP_CLOSE_RECEIVE_TIMEOUT: self = .receiveTimeout
        case IOCP_CLOSE_SEND_TIMEOUT: self = .sendTimeout
        case IOCP_CLOSE_SEND_OVERFLOW: self = .sendOverflow
        default: self = .failed(IOCPError(result: result, .transport))
        }
    }
}

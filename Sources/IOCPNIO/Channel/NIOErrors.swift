#if NIO
import Glibc
import IOCP
import NIOCore

/// The errors of the core, as NIO's channels tell them.
extension IOCPError {
    /// An `IOError` with the same number.
    var asNIO: IOError { IOError(errnoCode: code, reason: "\(self)") }
}

extension CloseReason {
    /// What ended a channel that was not closed here; nil where no error is to be told.
    var asNIO: (any Error)? {
        switch self {
        case .local, .aborted: nil
        case .peer: ChannelError.eof
        case .reset(let error), .failed(let error), .handlerThrew(let error): error.asNIO
        case .stopped: EventLoopError.shutdown
        case .idleTimeout, .receiveTimeout, .sendTimeout:
            IOError(errnoCode: ETIMEDOUT, reason: "the port's configuration ended the connection: \(self)")
        case .sendOverflow:
            IOError(
                errnoCode: ENOBUFS,
                reason: "the peer took nothing for long, and other channels needed the memory of its unsent bytes")
        }
    }
}
#endif

import CIOCP

#if canImport(Glibc)
public import Glibc
#elseif canImport(Musl)
public import Musl
#endif

/// Where an error of ``ConnectionHandler/failed(_:in:on:)`` comes from: a method of the handler, or what stands for one.
public enum HandlerMethod: Hashable, Sendable {
    /// The method of ``ConnectionHandler`` that has this name.
    case opened, connectFailed, received, peerFinished, sent, unsentFell, writable, posted, timerFired, stopping
    /// The method of ``Handles/Migrated`` that has this name.
    case migrated
    /// ``ConnectionHandler/posted(object:to:on:)``.
    case postedObject
    /// A closure of ``Worker/schedule(after:for:_:)``.
    case scheduled
    /// A closure of ``IocpContext/offload(_:then:)``.
    case offloaded
    /// A ``ConnectionBody``, of a connection that had closed before the body threw.
    case body
}

extension ConnectionHandler {
    /// Counts an error that nobody else is told, and hands it to `failed`.
    @inlinable
    mutating func tell(_ error: IOCPError, in method: HandlerMethod, on worker: Worker) {
        unsafe iocp_worker_count_handler_error(worker.raw)
        failed(error, in: method, on: worker)
    }
}

extension IOCPError {
    /// An event came that the handler asked for, and its default was called.
    @usableFromInline
    static func notTaken(_ method: String) -> IOCPError {
        IOCPError(code: ENOSYS, detail: "an event came for which the handler has no \(method) of this signature")
    }
}

extension Worker {
    /// What a handler threw is never lost: it ends its connection and is the reason of its `closed`, or goes to `failed`.
    @inlinable
    @inline(never)
    func threw<Handler: ConnectionHandler>(
        _ error: IOCPError, in method: HandlerMethod, on connection: IocpContext<Handler.State>?,
        _ handler: inout Handler
    ) {
        if let connection {
            // A call on a connection that something else ended, or that closes gracefully, is refused for that reason alone,
            // of which `closed` tells more. Bytes of the batch in which `close()` was called are handed out behind it, and
            // to answer them must not turn the close into a reset.
            if unsafe error.code == ENOTCONN && !iocp_connection_is_open(raw, connection.token) { return }
            if end(connection.token, by: error) { return }
        }
        handler.tell(error, in: method, on: self)
    }

    /// Returns whether the connection ends by this error, and not by something that came before.
    @usableFromInline
    func end(_ connection: iocp_token, by error: IOCPError) -> Bool {
        let result = unsafe iocp_abort(raw, connection)
        requireOwnThread(result)
        guard result == 0 else { return false }
        unsafe iocp_worker_count_handler_error(raw)
        thrownErrors[connection] = error
        return true
    }

    /// Why a connection closed. One that a handler's error ended is in the table, and leaves it here.
    @usableFromInline
    func reason(ofClosed connection: iocp_token, _ reason: CloseReason) -> CloseReason {
        if thrownErrors.isEmpty { return reason }
        return thrownErrors.removeValue(forKey: connection).map { .handlerThrew($0) } ?? reason
    }
}

import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The name of a connect that ``IOCPClient`` was asked for, by which it can be given up.
///
/// A value to keep; it outlives its connect harmlessly. Thread: any.
public struct ConnectAttempt: Sendable {
    let request: ConnectRequest
    let port: CompletionPort
    let worker: UInt32

    /// Gives the connect up: the handler's `connectFailed` follows with ECANCELED. Does nothing once the connection has
    /// opened or the connect has failed; one that opens at this moment stays open.
    /// - Throws: EAGAIN when the worker's mailbox is full: cancel again later. ESHUTDOWN once the port has stopped, which
    ///   gives up every connect.
    public func cancel() throws(IOCPError) {
        let result = request.post(cancelling: true, to: port, worker: worker)
        if result < 0 { throw IOCPError(result: result, .connect) }
    }

    /// Hands a resolved request to its worker, however full the mailbox is. A worker that has ended told its end itself.
    /// Thread: the resolver's.
    func deliver() {
        while request.post(to: port, worker: worker) == -EAGAIN { usleep(1_000) }
    }
}

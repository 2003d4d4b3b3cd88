import IOCP

// The example in the comment of UpstreamPool, line for line: `DocumentedCode` looks for it here.

struct Proxy: ConnectionHandler, Handles.Started, Handles.Opened, Handles.ConnectFailed, Handles.Closed, Handles.Stopping {
    let upstream: UpstreamPool<Void>

    func started(on worker: Worker) throws(IOCPError) { upstream.open() }
    func opened(_ connection: IocpContext<Void>) throws(IOCPError) {
        if connection.key == upstream.key { return upstream.opened(connection) }
    }
    func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) {
        if key == upstream.key { upstream.connectFailed(error) }
    }
    func closed(_ connection: IocpContext<Void>, reason: CloseReason) {
        if connection.key == upstream.key { upstream.closed(connection) }
    }
    func stopping(_ connections: borrowing ConnectionPool<Void>, on worker: Worker) throws(IOCPError) {
        upstream.close()
    }
    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {}
}

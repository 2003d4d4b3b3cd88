// Handlers that are right, in every form that the documentation names: no diagnostic at all.
import IOCP

struct Lease: ConnectionHandler {
    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {
        try connection.send(bytes)
    }
}

struct Span: ConnectionHandler {
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) { try connection.send(bytes) }
}

struct Mutating: ConnectionHandler {
    var total = 0
    mutating func received(_ bytes: RawSpan, on connection: IocpContext<Void>) { total += bytes.byteCount }
}

struct BorrowsTheLease: ConnectionHandler {
    func received(_ bytes: borrowing ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {
        try connection.send(bytes.bytes)
    }
}

final class Shared: ConnectionHandler {
    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Void>) throws(IOCPError) {
        try connection.send(bytes)
    }
}

struct InferredState: ConnectionHandler, Handles.Opened {
    func makeState() -> [UInt8] { [] }
    func opened(_ connection: IocpContext<[UInt8]>) { connection.state.append(0) }
    func received(_ bytes: RawSpan, on connection: IocpContext<[UInt8]>) throws(IOCPError) {}
}

struct Generic<Element>: ConnectionHandler, Handles.Closed {
    typealias State = [Element]
    typealias Context = IocpContext<State>
    func makeState() -> State { [] }
    func received(_ bytes: consuming ReceivedBytes, on connection: Context) throws(IOCPError) {}
    func closed(_ connection: Context, reason: CloseReason) {}
}

struct All:
    ConnectionHandler, Handles.Started, Handles.Opened, Handles.ConnectFailed, Handles.PeerFinished, Handles.Sent,
    Handles.UnsentFell, Handles.Writable, Handles.Closed, Handles.Posted, Handles.PostedObject, Handles.TimerFired, Handles.Stopping,
    Handles.Failed, Handles.Stopped
{
    struct State {
        var count = 0
    }
    typealias Context = IocpContext<State>

    func makeState() -> State { State() }
    mutating func started(on worker: Worker) throws(IOCPError) {
        try worker.schedule(after: .seconds(1)) { try worker.port.post(1, toWorker: worker.index) }
    }
    func opened(_ connection: Context) throws(IOCPError) { connection.state.count += 1 }
    func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) {}
    func received(_ bytes: RawSpan, on connection: Context) throws(IOCPError) {
        let worker = connection.worker
        try worker.schedule(after: .seconds(1), for: connection.connection) {
            guard connection.isOpen else { return }
            try connection.send("still there?")
        }
    }
    func peerFinished(_ connection: Context) throws(IOCPError) {}
    func sent(key: UInt64, error: IOCPError?, on connection: Context) throws(IOCPError) {}
    func unsentFell(key: UInt64, error: IOCPError?, on connection: Context) throws(IOCPError) {}
    func writable(_ connection: Context) throws(IOCPError) {}
    func closed(_ connection: Context, reason: CloseReason) {}
    func posted(_ value: UInt64, to connection: Context?, on worker: Worker) throws(IOCPError) {}
    func posted(object: any AnyObject & Sendable, to connection: Context?, on worker: Worker) throws(IOCPError) {}
    func timerFired(key: UInt64, error: IOCPError?, connection: Context?, on worker: Worker) throws(IOCPError) {}
    func stopping(_ connections: borrowing ConnectionPool<State>, on worker: Worker) throws(IOCPError) {
        try connections.forEach { connection throws(IOCPError) in try connection.send("bye") }
    }
    func failed(_ error: IOCPError, in method: HandlerMethod, on worker: Worker) {}
    func stopped(on worker: Worker) {}
}

/// Errors of one's own pass through a handler.
struct OwnErrors: ConnectionHandler {
    struct OutOfStock: Error {}

    func order(_ bytes: RawSpan) throws { throw OutOfStock() }

    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        do { try order(bytes) } catch { throw IOCPError(wrapping: error) }
    }
}

func serve() throws {
    _ = try IOCPServer { _ in Lease() }
    _ = try IOCPServer { _ in Span() }
    _ = try IOCPServer { _ in All() }
    _ = try IOCPClient { _ in Generic<Int>() }
}

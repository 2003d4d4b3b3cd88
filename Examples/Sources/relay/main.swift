import IOCP
import Launch

/// One of the two connections of a pair.
final class Leg {
    var other: IocpContext<Leg>?  // while it is open
    /// It receives no more until enough of what it brought was sent.
    var isHeld = false
    var hasFinished = false
}

/// Passes the bytes of each client to the upstream server and back. The two directions know nothing of each other: each
/// has its own end (FIN), and each is read no faster than it is sent.
struct Relay: ConnectionHandler {
    let worker: Worker
    let upstream: SocketAddress
    /// Clients whose upstream connection is not open yet, by the key of its connect.
    private var waiting: [UInt64: IocpContext<Leg>] = [:]
    private var latestKey: UInt64 = 0

    /// Unsent bytes of a connection at which the other one is held, and below which it goes on.
    static let most = 256 << 10, few = 64 << 10

    init(_ worker: Worker, to upstream: SocketAddress) { (self.worker, self.upstream) = (worker, upstream) }

    func makeState() -> Leg { Leg() }

    mutating func opened(_ connection: IocpContext<Leg>) throws(IOCPError) {
        if connection.key == 0 {  // a client: the keys of connects begin with 1
            try connection.pauseReceiving()  // before its first byte, since that comes after this call
            latestKey += 1
            try worker.connect(to: upstream, key: latestKey, timeout: .seconds(10))
            waiting[latestKey] = connection
        } else if let client = waiting.removeValue(forKey: connection.key), !client.isClosing {
            (client.state.other, connection.state.other) = (connection, client)
            try client.resumeReceiving()
        } else {
            connection.abort()
        }
    }

    mutating func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) {
        waiting.removeValue(forKey: key)?.abort()
    }

    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Leg>) throws(IOCPError) {
        guard let other = connection.state.other else { return connection.abort() }
        try other.send(bytes)  // the buffer itself, without a copy
        guard other.unsentByteCount > Relay.most, !connection.state.isHeld else { return }
        connection.state.isHeld = true
        try connection.pauseReceiving()
        try other.notifyWhenUnsent(below: Relay.few, key: 0)
    }

    func unsentFell(key: UInt64, error: IOCPError?, on connection: IocpContext<Leg>) throws(IOCPError) {
        guard error == nil, let source = connection.state.other else { return }
        source.state.isHeld = false
        if !source.isClosing { try source.resumeReceiving() }
    }

    func peerFinished(_ connection: IocpContext<Leg>) throws(IOCPError) {
        connection.state.hasFinished = true
        guard let other = connection.state.other else { return }
        try other.finishSending()
        guard other.state.hasFinished else { return }
        connection.close()  // both directions have ended: what is queued still leaves
        other.close()
    }

    mutating func closed(_ connection: IocpContext<Leg>, reason: CloseReason) {
        guard let other = connection.state.other else { return }
        other.state.other = nil
        // A stream that was cut must not look like one that ended.
        if connection.state.hasFinished, other.state.hasFinished { other.close() } else { other.abort() }
    }
}

let arguments = Arguments(["to": ""])
var configuration = arguments.configuration
configuration.deliversHalfClose = true
configuration.holdsBackReceive = false  // what is unsent here came from the other connection, which is held instead
do {
    guard let colon = arguments["to"].lastIndex(of: ":"), let port = Int(arguments["to"][colon...].dropFirst()) else {
        fail("--to takes host:port", status: 64)
    }
    let upstream = try SocketAddress(host: String(arguments["to"][..<colon]), port: port)
    let server = try IOCPServer(configuration) { worker in Relay(worker, to: upstream) }
    announce(try server.listen(host: "127.0.0.1", port: arguments.port, options: arguments.listenOptions()))
    try server.wait()
} catch {
    fail(error)
}

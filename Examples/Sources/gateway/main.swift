import IOCP
import Launch

/// What outlives a connection: a client that comes back goes on with the next sequence number. Names are believed, so add
/// a secret where that matters.
final class Session {
    var expected: UInt64 = 1
    var orders: Set<UInt64> = []
    var isConnected = false
}

/// Takes orders in sequence, acknowledges each, and asks for those that it missed. The sessions are the worker's, so
/// there is one worker.
struct Gateway: ConnectionHandler {
    struct Client {
        var frames = FrameBuffer(Message.framing)
        var session: Session?
        var lastHeard: Duration
        var isBehind = false  // it was told of a gap, once for all that came behind it
        var isLeaving = false
    }

    private let worker: Worker, heartbeat: Duration
    private var sessions: [[UInt8]: Session] = [:]
    private var message: [UInt8] = []

    init(_ worker: Worker, heartbeat: Duration) { (self.worker, self.heartbeat) = (worker, heartbeat) }

    func makeState() -> Client { Client(lastHeard: worker.now) }

    func opened(_ client: IocpContext<Client>) throws(IOCPError) {
        try worker.startTimer(after: heartbeat, for: client.connection, key: 0)  // refused beyond `timersPerWorker`
    }

    mutating func received(_ bytes: RawSpan, on client: IocpContext<Client>) throws(IOCPError) {
        client.state.lastHeard = worker.now
        var input = bytes
        do throws(IOCPError) {
            while !client.state.isLeaving, let frame = try client.state.frames.next(in: &input) {
                if let message = Message(frame.bytes) {
                    try take(message, frame.bytes.number(1..<5), from: client)
                } else {
                    try dismiss(client, .malformed)
                }
            }
        } catch {
            guard error.operation == .framing else { throw error }
            try dismiss(client, .malformed)
        }
    }

    private mutating func take(_ message: Message, _ number: UInt64, from client: IocpContext<Client>)
        throws(IOCPError)
    {
        guard let session = client.state.session else {
            if case .login(let name) = message { return try logIn(client, name) }
            return try dismiss(client, .notLoggedIn)
        }
        let isNext = number == session.expected
        switch message {
        case .login: try dismiss(client, .malformed)
        case .order(let id, let quantity, let price) where isNext:
            try answer(id, place(id, quantity, price, in: session), client, session)
        case .cancel(let id) where isNext:
            try answer(id, session.orders.remove(id) == nil ? .unknownOrder : nil, client, session)
        case .heartbeat where number == session.expected - 1: break
        case _ where number < session.expected: try send("H", session.expected - 1, to: client)  // it came before
        default:
            if !client.state.isBehind { try send("G", session.expected, to: client) }
            client.state.isBehind = true
        }
    }

    private mutating func logIn(_ client: IocpContext<Client>, _ name: [UInt8]) throws(IOCPError) {
        guard sessions[name] != nil || sessions.count < 10_000 else { return try dismiss(client, .tooManyNames) }
        let session = sessions[name] ?? Session()
        guard !session.isConnected else { return try dismiss(client, .nameInUse) }
        session.isConnected = true
        sessions[name] = session
        client.state.session = session
        try send("W", session.expected, to: client)
    }

    private func place(_ id: UInt64, _ quantity: UInt64, _ price: UInt64, in session: Session) -> Rejection? {
        guard quantity > 0, quantity <= 1_000_000, price > 0 else { return .outOfRange }
        guard session.orders.count < 1_000 else { return .tooManyOrders }
        return session.orders.insert(id).inserted ? nil : .idInUse
    }

    private mutating func answer(
        _ id: UInt64, _ rejection: Rejection?, _ client: IocpContext<Client>, _ session: Session
    ) throws(IOCPError) {
        client.state.isBehind = false
        session.expected += 1
        try send(rejection == nil ? "A" : "R", session.expected - 1, id, reason: rejection?.rawValue, to: client)
    }

    private mutating func dismiss(_ client: IocpContext<Client>, _ bye: Bye) throws(IOCPError) {
        guard !client.state.isLeaving else { return }
        client.state.isLeaving = true
        try send("B", (client.state.session?.expected ?? 1) - 1, reason: bye.rawValue, to: client)
        client.close()
    }

    private mutating func send(
        _ type: Unicode.Scalar, _ number: UInt64, _ id: UInt64? = nil, reason: UInt8? = nil,
        to client: IocpContext<Client>
    ) throws(IOCPError) {
        message.removeAll(keepingCapacity: true)
        message.append(UInt8(ascii: type))
        message.append(number, byteCount: 4)
        if let id { message.append(id, byteCount: 8) }
        if let reason { message.append(reason) }
        try client.send(Message.framing.prefix(forByteCount: message.count).bytes)
        try client.send(message)
    }

    mutating func timerFired(key: UInt64, error: IOCPError?, connection: IocpContext<Client>?, on worker: Worker)
        throws(IOCPError)
    {
        guard error == nil, let client = connection, !client.state.isLeaving else { return }
        if worker.now - client.state.lastHeard >= heartbeat * 3 { return try dismiss(client, .silent) }
        try send("H", (client.state.session?.expected ?? 1) - 1, to: client)
        try worker.startTimer(after: heartbeat, for: client.connection, key: 0)
    }

    mutating func closed(_ client: IocpContext<Client>, reason: CloseReason) {
        client.state.session?.isConnected = false
    }

    mutating func stopping(_ clients: borrowing ConnectionPool<Client>, on worker: Worker) throws(IOCPError) {
        clients.forEach { client in try? dismiss(client, .stopping) }  // it leaves before the connection ends
    }
}

let arguments = Arguments(["heartbeat-ms": "1000"])
var configuration = arguments.configuration
configuration.workers = 1
configuration.timersPerWorker = 1 << 16  // one for each connection
var termination = Termination()
do {
    let heartbeat = Duration.milliseconds(arguments.number("heartbeat-ms", in: 10...60_000))
    let server = try IOCPServer(configuration) { worker in Gateway(worker, heartbeat: heartbeat) }
    announce(try server.listen(host: "127.0.0.1", port: arguments.port))
    termination.wait()
    server.stop(drainingFor: .seconds(2))
    try server.wait()
} catch {
    fail(error)
}

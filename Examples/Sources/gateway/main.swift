import IOCP
import Launch

/// What outlives a connection: a client that comes back goes on with the next sequence number. Names are believed, so
/// add a secret where that matters.
final class Session {
    var expected: UInt32 = 1, orders: Set<UInt64> = [], isConnected = false

    func place(_ id: UInt64, _ quantity: UInt32, _ price: UInt64) -> Rejection? {
        guard quantity > 0, quantity <= 1_000_000, price > 0 else { return .outOfRange }
        guard orders.count < 1_000 else { return .tooManyOrders }
        return orders.insert(id).inserted ? nil : .idInUse
    }
}

/// Takes orders in sequence, acknowledges each, and asks for those it missed. Sessions are the worker's: there is one.
struct Gateway: ConnectionHandler {
    struct Client {
        var frames = FrameBuffer(Message.framing), session: Session? = nil, lastHeard: Duration
        var isLeaving = false, isBehind = false  // it was told of a gap, once for all that came behind it
        var lastTaken: UInt32 { (session?.expected ?? 1) &- 1 }
    }
    typealias Peer = IocpContext<Client>

    let worker: Worker, heartbeat: Duration
    var sessions: [[UInt8]: Session] = [:]

    func makeState() -> Client { Client(lastHeard: worker.now) }

    func opened(_ client: Peer) throws(IOCPError) {
        try worker.startTimer(after: heartbeat, for: client.connection, key: 0)  // refused beyond `timersPerWorker`
    }

    mutating func received(_ bytes: RawSpan, on client: Peer) throws(IOCPError) {
        client.state.lastHeard = worker.now
        var input = bytes
        do throws(IOCPError) {
            while !client.state.isLeaving, let frame = try client.state.frames.next(in: &input) {
                guard let message = Message(frame.bytes) else { return try dismiss(client, .malformed) }
                try take(message, frame.bytes.bigEndian(UInt32.self, at: 1), from: client)
            }
        } catch where error.operation == .framing {
            try dismiss(client, .malformed)
        }
    }

    mutating func take(_ message: Message, _ number: UInt32, from client: Peer) throws(IOCPError) {
        guard let session = client.state.session else {
            guard case .login(let name) = message else { return try dismiss(client, .notLoggedIn) }
            return try logIn(client, name)
        }
        let isNext = number == session.expected
        switch message {
        case .login: try dismiss(client, .malformed)
        case .order(let id, let quantity, let price) where isNext:
            try answer(id, session.place(id, quantity, price), client)
        case .cancel(let id) where isNext:
            try answer(id, session.orders.remove(id) == nil ? .unknownOrder : nil, client)
        case .heartbeat where number == client.state.lastTaken: break
        case _ where number < session.expected: try send("H", client.state.lastTaken, to: client)  // it came before
        default:
            if !client.state.isBehind { try send("G", session.expected, to: client) }
            client.state.isBehind = true
        }
    }

    mutating func logIn(_ client: Peer, _ name: [UInt8]) throws(IOCPError) {
        guard sessions[name] != nil || sessions.count < 10_000 else { return try dismiss(client, .tooManyNames) }
        let session = sessions[name, default: Session()]
        guard !session.isConnected else { return try dismiss(client, .nameInUse) }
        session.isConnected = true
        (sessions[name], client.state.session) = (session, session)
        try send("W", session.expected, to: client)
    }

    func answer(_ id: UInt64, _ rejection: Rejection?, _ client: Peer) throws(IOCPError) {
        client.state.isBehind = false
        client.state.session?.expected &+= 1
        try send(rejection == nil ? "A" : "R", client.state.lastTaken, id, reason: rejection?.rawValue, to: client)
    }

    func dismiss(_ client: Peer, _ bye: Bye) throws(IOCPError) {
        guard !client.state.isLeaving else { return }
        client.state.isLeaving = true
        try send("B", client.state.lastTaken, reason: bye.rawValue, to: client)
        client.close()
    }

    func send(_ type: Unicode.Scalar, _ number: UInt32, _ id: UInt64? = nil, reason: UInt8? = nil, to client: Peer)
        throws(IOCPError)
    {
        let byteCount = 5 + (id == nil ? 0 : 8) + (reason == nil ? 0 : 1)
        try client.send(capacity: 2 + byteCount) { output in  // written where it leaves from
            output.append(bigEndian: UInt16(byteCount))
            output.append(UInt8(ascii: type))
            output.append(bigEndian: number)
            if let id { output.append(bigEndian: id) }
            if let reason { output.append(reason) }
        }
    }

    func timerFired(key: UInt64, error: IOCPError?, connection: Peer?, on worker: Worker) throws(IOCPError) {
        guard error == nil, let client = connection, !client.state.isLeaving else { return }
        if worker.now - client.state.lastHeard >= heartbeat * 3 { return try dismiss(client, .silent) }
        try send("H", client.state.lastTaken, to: client)
        try worker.startTimer(after: heartbeat, for: client.connection, key: 0)
    }

    func closed(_ client: Peer, reason: CloseReason) { client.state.session?.isConnected = false }

    func stopping(_ clients: borrowing ConnectionPool<Client>, on worker: Worker) throws(IOCPError) {
        clients.forEach { client in try? dismiss(client, .stopping) }  // it leaves before the connection ends
    }
}

let arguments = Arguments(["heartbeat-ms": "1000"])
var configuration = arguments.configuration
configuration.workers = 1
configuration.timersPerWorker = 1 << 16  // one for each connection
let heartbeat = Duration.milliseconds(arguments.number("heartbeat-ms", in: 10...60_000))
serve(arguments, configuration) { worker in Gateway(worker: worker, heartbeat: heartbeat) }

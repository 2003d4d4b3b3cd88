import IOCP
import Launch
import Synchronization

/// What outlives a connection: a client that comes back goes on with the next sequence number. Names are believed, so
/// add a secret where that matters.
struct Session {
    var expected: UInt32 = 1, orders: Set<UInt64> = []

    mutating func place(_ id: UInt64, _ quantity: UInt32, _ price: UInt64) -> Rejection? {
        guard quantity > 0, quantity <= 1_000_000, price > 0 else { return .outOfRange }
        guard orders.count < 1_000 else { return .tooManyOrders }
        return orders.insert(id).inserted ? nil : .idInUse
    }
}

/// The sessions of all workers. A connection takes its own out and puts it back at its end, so an order needs no lock.
final class Sessions: Sendable {
    private let byName = Mutex<[[UInt8]: Session?]>([:])  // nil: a connection has it

    func take(_ name: [UInt8]) throws(Bye) -> Session {
        try byName.withLock { byName throws(Bye) in
            guard byName[name] != nil || byName.count < 10_000 else { throw .tooManyNames }
            guard let session = byName[name, default: Session()] else { throw .nameInUse }
            byName.updateValue(nil, forKey: name)
            return session
        }
    }

    func putBack(_ session: Session, of name: [UInt8]) { byName.withLock { $0[name] = session } }
}

/// Takes orders in sequence, acknowledges each, and asks for those it missed, as `gateway` does: by a task for each client.
struct Client {
    let connection: AsyncConnection, heartbeat: Duration
    var session = Session(), name: [UInt8]?, lastHeard = Duration.zero, nextBeat = Duration.zero
    var isBehind = false  // it was told of a gap, once for all that came behind it
    var now: Duration { connection.worker.now }
    var lastTaken: UInt32 { session.expected &- 1 }

    nonisolated(nonsending) mutating func serve(by sessions: Sessions) async throws {
        (lastHeard, nextBeat) = (now, now + heartbeat)
        defer { if let name { sessions.putBack(session, of: name) } }
        do {
            guard let (first, _) = try await next() else { return }
            guard case .login(let name) = first else { throw Bye.notLoggedIn }
            session = try sessions.take(name)
            self.name = name
            try send("W", session.expected)
            while let (message, number) = try await next() { try take(message, number) }
        } catch let bye as Bye {
            try send("B", lastTaken, reason: bye.rawValue)  // it leaves before the connection ends
        }
    }

    /// The next message and its number; nil when the client has finished. Until it comes, heartbeats go out.
    nonisolated(nonsending) mutating func next() async throws -> (Message, UInt32)? {
        while true {
            if now >= nextBeat {
                if now - lastHeard >= heartbeat * 3 { throw Bye.silent }
                nextBeat = now + heartbeat
                try send("H", lastTaken)
            }
            do {
                let message = try await connection.withFrame(Message.framing, within: nextBeat - now) { bytes in
                    guard let message = Message(bytes) else { throw Bye.malformed }
                    return (message, bytes.bigEndian(UInt32.self, at: 1))
                }
                guard let message else { if connection.isStopping { throw Bye.stopping } else { return nil } }
                lastHeard = now
                return message
            } catch let error as IOCPError where error.operation == .framing {
                throw Bye.malformed
            } catch let error as IOCPError where error.name == "ETIMEDOUT" {}  // a beat is due
        }
    }

    mutating func take(_ message: Message, _ number: UInt32) throws {
        let isNext = number == session.expected
        switch message {
        case .login: throw Bye.malformed
        case .order(let id, let quantity, let price) where isNext: try answer(id, session.place(id, quantity, price))
        case .cancel(let id) where isNext: try answer(id, session.orders.remove(id) == nil ? .unknownOrder : nil)
        case .heartbeat where number == lastTaken: break
        case _ where number < session.expected: try send("H", lastTaken)  // it came before
        default:
            if !isBehind { try send("G", session.expected) }
            isBehind = true
        }
    }

    mutating func answer(_ id: UInt64, _ rejection: Rejection?) throws(IOCPError) {
        isBehind = false
        session.expected &+= 1
        try send(rejection == nil ? "A" : "R", lastTaken, id, reason: rejection?.rawValue)
    }

    func send(_ type: Unicode.Scalar, _ number: UInt32, _ id: UInt64? = nil, reason: UInt8? = nil) throws(IOCPError) {
        let byteCount = 5 + (id == nil ? 0 : 8) + (reason == nil ? 0 : 1)
        try connection.send(capacity: 2 + byteCount) { output in  // written where it leaves from
            output.append(bigEndian: UInt16(byteCount))
            output.append(UInt8(ascii: type))
            output.append(bigEndian: number)
            if let id { output.append(bigEndian: id) }
            if let reason { output.append(reason) }
        }
    }
}

let arguments = Arguments(["heartbeat-ms": "1000"])
var configuration = arguments.configuration
configuration.timersPerWorker = 1 << 16  // one for each connection
let heartbeat = Duration.milliseconds(arguments.number("heartbeat-ms", in: 10...60_000))
let sessions = Sessions()
serve(arguments, configuration) { _, connection in
    var client = Client(connection: connection, heartbeat: heartbeat)
    try await client.serve(by: sessions)
}

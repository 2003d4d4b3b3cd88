#if Command
import IOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The server of every scenario, by the wish of each connection.
struct SoakHandler:
    ConnectionHandler, Handles.Opened, Handles.Migrated, Handles.Writable, Handles.Closed, Handles.Posted, Handles
        .TimerFired,
    Handles.Stopped
{
    struct State {
        var wish: Wish?
        /// The next echo leaves by copy.
        var copies = false
        /// Of a flood: the position of the next byte.
        var flooded = 0
    }
    typealias Context = IocpContext<State>

    /// What the main thread posts.
    enum Order: UInt64 {
        case report, release
        /// Closes every connection that never said anything.
        case dismiss
    }

    private enum TimerKey: UInt64 {
        case flood, broadcast
    }

    private let worker: Worker
    private let reports: Reports
    private let floodBytes: Int
    private let asksPeer: Bool
    /// Every so many receives of an echo, by chance, its connection moves; 0: none does.
    private let movesOneIn: Int
    private let message: SharedBytes
    private var subscribers: [Connection: Context] = [:]
    private var held: [Connection: [Lease]] = [:]
    /// Connections that have not said anything yet.
    private var silent: [Connection: Context] = [:]
    private var isReleased = false
    private var counts = ServerReport()

    init(_ worker: Worker, _ reports: Reports, floodBytes: Int, asksPeer: Bool, movesOneIn: Int) throws(IOCPError) {
        (self.worker, self.reports, self.floodBytes, self.asksPeer) = (worker, reports, floodBytes, asksPeer)
        self.movesOneIn = movesOneIn
        message = try SharedBytes(Array(Pattern.bytes(at: 0, count: Wish.broadcastBytes)))
    }

    /// A lease that may lie in a collection.
    private final class Lease {
        private var bytes: ReceivedBytes?

        init(_ bytes: consuming ReceivedBytes) {
            self.bytes = consume bytes
        }

        func take() -> ReceivedBytes? { bytes.take() }
    }

    // MARK: Events

    func makeState() -> State { State() }

    mutating func opened(_ connection: Context) {
        counts.opened += 1
        silent[connection.connection] = connection
        // Refused while the completion queue overflows; asking must do no harm.
        if asksPeer, (try? connection.peerAddress()) == nil { counts.unasked += 1 }
    }

    mutating func received(_ bytes: consuming ReceivedBytes, on connection: Context) throws(IOCPError) {
        if let wish = connection.state.wish {
            try serve(bytes, wish, connection)
        } else if let wish = Wish(rawValue: bytes.bytes.unsafeLoad(as: UInt8.self)) {
            connection.state.wish = wish
            silent[connection.connection] = nil
            if wish == .stall { usleep(Wish.stallMicroseconds) }
            try serve(bytes, wish, connection)
        } else {
            connection.abort()
        }
    }

    // MARK: Moves

    /// Its echo goes on elsewhere: what it counts goes along.
    mutating func migrating(_ connection: Context, to worker: Int) {
        subscribers[connection.connection] = nil
        silent[connection.connection] = nil
    }

    func migrated(_ connection: Context, from worker: Int) {}

    /// What refuses it for the moment is no fault.
    private func moveByChance(_ connection: Context) throws(IOCPError) {
        guard movesOneIn > 0, Int.random(in: 0..<movesOneIn) == 0 else { return }
        do throws(IOCPError) {
            try connection.move(to: Int.random(in: 0..<worker.port.workerCount))
        } catch {
            guard ["EAGAIN", "EALREADY", "ENOTCONN", "EBUSY"].contains(error.name) else { throw error }
        }
    }

    private mutating func serve(_ bytes: consuming ReceivedBytes, _ wish: Wish, _ connection: Context)
        throws(IOCPError)
    {
        switch wish {
        case .echo, .stall:
            try echo(bytes, connection)
            try moveByChance(connection)
        case .farewell:
            guard connection.state.flooded == 0 else { break }
            try flood(connection)
            guard connection.state.flooded == floodBytes else { throw IOCPError(code: ENOBUFS) }
            connection.close()
        case .hold where isReleased:
            try connection.send(bytes)
        case .hold:
            held[connection.connection, default: []].append(Lease(bytes))
        case .flood:
            if connection.state.flooded == 0 { try flood(connection) }
        case .subscribe:
            if subscribers.isEmpty { try startBroadcast() }
            subscribers[connection.connection] = connection
        }
    }

    private func echo(_ bytes: consuming ReceivedBytes, _ connection: Context) throws(IOCPError) {
        connection.state.copies.toggle()
        if connection.state.copies {
            do throws(IOCPError) {
                try connection.send(bytes.bytes)
                return
            } catch {
                // No memory for a copy: the bytes go back where they are.
                guard error.name == "ENOBUFS" else { throw error }
            }
        }
        try connection.send(bytes)
    }

    mutating func writable(_ connection: Context) throws(IOCPError) {
        if connection.state.wish == .flood { try flood(connection) }
    }

    mutating func closed(_ connection: Context, reason: CloseReason) {
        counts.closed += 1
        counts.count(reason)
        subscribers[connection.connection] = nil
        held[connection.connection] = nil
        silent[connection.connection] = nil
    }

    mutating func timerFired(key: UInt64, error: IOCPError?, connection: Context?, on worker: Worker) throws(IOCPError)
    {
        guard error == nil else { return }
        switch TimerKey(rawValue: key) {
        case .flood: if let connection { try flood(connection) }
        case .broadcast: try broadcast()
        case nil: break
        }
    }

    mutating func posted(_ value: UInt64, to connection: Context?, on worker: Worker) throws(IOCPError) {
        switch Order(rawValue: value) {
        case .report: report()
        case .release: try release()
        case .dismiss: for connection in silent.values { connection.close() }
        case nil: break
        }
    }

    mutating func stopped(on worker: Worker) { report() }

    private mutating func report() {
        counts.holdings = worker.holdings
        reports.add(counts)
    }

    // MARK: Floods

    /// Sends on until it is refused, and goes on when told that there is room again.
    private func flood(_ connection: Context) throws(IOCPError) {
        let pieceBytes = 16 << 10
        while connection.state.flooded < floodBytes {
            let count = min(pieceBytes, floodBytes - connection.state.flooded)
            let piece = Pattern.bytes(at: connection.state.flooded, count: count)
            do throws(IOCPError) {
                try connection.send(RawSpan(_unsafeBytes: piece))
            } catch {
                guard error.name == "EAGAIN" || error.name == "ENOBUFS" else { throw error }
                // With nothing unsent of its own there is no `writable` to wait for: others hold the memory.
                if connection.unsentByteCount == 0 {
                    try worker.startTimer(
                        after: .milliseconds(10), for: connection.connection, key: TimerKey.flood.rawValue)
                }
                return
            }
            connection.state.flooded += count
        }
    }

    // MARK: Broadcasts

    private func startBroadcast() throws(IOCPError) {
        try worker.startTimer(after: .milliseconds(20), key: TimerKey.broadcast.rawValue)
    }

    /// A subscriber over its cap misses this message.
    private func broadcast() throws(IOCPError) {
        for connection in subscribers.values { try? connection.send(message) }
        if !subscribers.isEmpty { try startBroadcast() }
    }

    // MARK: Holding

    private mutating func release() throws(IOCPError) {
        isReleased = true
        for (connection, leases) in held {
            for lease in leases {
                if let bytes = lease.take() { try worker.send(bytes, to: connection) }
            }
        }
        held = [:]
    }
}
#endif

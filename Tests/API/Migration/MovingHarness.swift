import Glibc
import IOCP
import Testing

/// What must hold over the life of a server whose connections move: each opens once and closes once, wherever it is then; its
/// handlers are called on the worker that has it; and what it remembers is released once.
final class Journal: Sendable {
    struct Entries {
        var open: Set<Connection> = []
        var opened = 0
        var closed: [Connection: (reason: CloseReason, trip: Trip.Record, worker: Int)] = [:]
        /// Workers that take connections in.
        var ready = 0
        var left = 0
        var came = 0
        /// Of those that came, the ones that had to stay.
        var stayed = 0
        var liveStates = 0
        var fired: [UInt64] = []
        var failures: [IOCPError] = []
        var violations: [String] = []
        var atEnd: [WorkerHoldings] = []
    }
    private let entries = Locked(Entries())

    func update(_ body: (inout Entries) -> Void) { entries.withLock { body(&$0) } }
    var snapshot: Entries { entries.withLock { $0 } }
    func violated(_ what: String) { update { $0.violations.append(what) } }
}

/// What a connection takes along.
struct Trip: Sendable {
    struct Record: Sendable, Equatable {
        var messages = 0
        var bytes = 0
        var moves = 0
    }
    var record = Record()
    /// Who has it.
    var worker = -1
    let live: Live

    final class Live: Sendable {
        let journal: Journal
        init(_ journal: Journal) {
            self.journal = journal
            journal.update { $0.liveStates += 1 }
        }
        deinit { journal.update { $0.liveStates -= 1 } }
    }
}

/// What a test wants of its server; every member has a default.
struct MovingBehaviour: Sendable {
    typealias Context = IocpContext<Trip>
    var opened: @Sendable (Context) throws(IOCPError) -> Void = { (_: Context) throws(IOCPError) in }
    var received: @Sendable (consuming ReceivedBytes, Context) throws(IOCPError) -> Void = {
        (bytes: consuming ReceivedBytes, connection: Context) throws(IOCPError) in try connection.send(bytes)
    }
    var migrating: @Sendable (Context, Int) -> Void = { _, _ in }
    var migrated: @Sendable (Context, Int) throws(IOCPError) -> Void = { (_: Context, _: Int) throws(IOCPError) in }
    var posted: @Sendable (UInt64, Context) throws(IOCPError) -> Void = { (_: UInt64, _: Context) throws(IOCPError) in }
    var postedNobody: @Sendable (UInt64, Worker) -> Void = { _, _ in }
    var timerFired: @Sendable (UInt64, IOCPError?, Context?) -> Void = { _, _, _ in }
}

struct Wanderer:
    ConnectionHandler, Handles.Opened, Handles.Migrated, Handles.Closed, Handles.Posted, Handles.TimerFired, Handles
        .Failed,
    Handles.Stopped
{
    let behaviour: MovingBehaviour
    let journal: Journal
    let worker: Worker

    func makeState() -> Trip { Trip(live: Trip.Live(journal)) }

    func opened(_ connection: IocpContext<Trip>) throws(IOCPError) {
        connection.state.worker = worker.index
        let name = connection.connection
        journal.update {
            $0.opened += 1
            if !$0.open.insert(name).inserted { $0.violations.append("opened twice: \(name)") }
        }
        try behaviour.opened(connection)
    }

    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Trip>) throws(IOCPError) {
        expectHere(connection, "received")
        connection.state.record.messages += 1
        connection.state.record.bytes += bytes.count
        try behaviour.received(bytes, connection)
    }

    func migrating(_ connection: IocpContext<Trip>, to target: Int) {
        expectHere(connection, "migrating")
        if target == worker.index { journal.violated("it leaves to where it is") }
        if refusal({ () throws(IOCPError) in try connection.send("no") })?.name != "ENOTCONN" {
            journal.violated("it sends")
        }
        behaviour.migrating(connection, target)
        journal.update { $0.left += 1 }
    }

    func migrated(_ connection: IocpContext<Trip>, from other: Int) throws(IOCPError) {
        if connection.state.worker != other {
            journal.violated("it came from \(other), and was at \(connection.state.worker)")
        }
        if connection.worker.index != worker.index { journal.violated("its worker is another") }
        connection.state.worker = worker.index
        connection.state.record.moves += 1
        let stayed = other == worker.index
        journal.update {
            $0.came += 1
            $0.stayed += stayed ? 1 : 0
            if !$0.open.contains(connection.connection) { $0.violations.append("it came under another name") }
        }
        try behaviour.migrated(connection, other)
    }

    func closed(_ connection: IocpContext<Trip>, reason: CloseReason) {
        expectHere(connection, "closed")
        let name = connection.connection
        let trip = connection.state.record
        journal.update {
            if $0.open.remove(name) == nil { $0.violations.append("closed without being open: \(name)") }
            $0.closed[name] = (reason, trip, worker.index)
        }
    }

    func posted(_ value: UInt64, to connection: IocpContext<Trip>?, on worker: Worker) throws(IOCPError) {
        if value == .max { return journal.update { $0.ready += 1 } }
        guard let connection else { return behaviour.postedNobody(value, worker) }
        expectHere(connection, "posted")
        try behaviour.posted(value, connection)
    }

    func timerFired(key: UInt64, error: IOCPError?, connection: IocpContext<Trip>?, on worker: Worker) throws(IOCPError)
    {
        if let connection { expectHere(connection, "timerFired") }
        if error == nil { journal.update { $0.fired.append(key) } }
        behaviour.timerFired(key, error, connection)
    }

    func failed(_ error: IOCPError, in method: HandlerMethod, on worker: Worker) {
        journal.update { $0.failures.append(error) }
    }

    func stopped(on worker: Worker) {
        let holdings = worker.holdings
        journal.update { $0.atEnd.append(holdings) }
    }

    private func expectHere(_ connection: IocpContext<Trip>, _ event: String) {
        if connection.state.worker != worker.index {
            journal.violated("\(event) on \(worker.index) of a connection that is at \(connection.state.worker)")
        }
    }
}

/// Runs a server for `body`, then stops it and checks that nothing is left.
func withMovingServer(
    _ driver: Driver, workers: Int = 3, _ behaviour: MovingBehaviour = MovingBehaviour(),
    _ change: (inout PortConfiguration) -> Void = { _ in }, drainingFor drain: Duration = .zero,
    sourceLocation: SourceLocation = #_sourceLocation,
    body: (IOCPServer<Wanderer>, Int, Journal) async throws -> Void
) async throws {
    var configuration = PortConfiguration()
    configuration.driver = driver
    configuration.workers = workers
    configuration.lingerTimeout = .milliseconds(500)
    configuration.connectionsPerWorker = 256
    change(&configuration)
    let journal = Journal()
    let descriptorsBefore = openDescriptors()
    do {
        let server = try IOCPServer(configuration) { Wanderer(behaviour: behaviour, journal: journal, worker: $0) }
        let port = try server.listen(host: "127.0.0.1", port: 0).address!.port
        let result: Result<Void, any Error>
        do {
            for worker in 0..<workers { try server.port.post(.max, toWorker: worker) }
            try await eventually("all workers run") { journal.snapshot.ready == workers }
            try await body(server, port, journal)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        server.stop(drainingFor: drain)
        try await server.wait()
        let stats = WorkerStats.total(of: (0..<server.port.workerCount).map { server.port.stats(ofWorker: $0) })
        let end = journal.snapshot
        #expect(stats.migratedIn == UInt64(end.came - end.stayed), sourceLocation: sourceLocation)
        #expect(stats.migratedOut == stats.migratedIn && stats.connections == 0, sourceLocation: sourceLocation)
        try result.get()
    }
    let end = journal.snapshot
    #expect(Array(end.violations.prefix(3)) == [], sourceLocation: sourceLocation)
    #expect(end.open.isEmpty, "connections without closed", sourceLocation: sourceLocation)
    #expect(end.opened == end.closed.count, sourceLocation: sourceLocation)
    #expect(end.left == end.came, sourceLocation: sourceLocation)
    #expect(end.liveStates == 0, "states are still held", sourceLocation: sourceLocation)
    #expect(end.failures.isEmpty, "\(end.failures.prefix(3))", sourceLocation: sourceLocation)
    #expect(
        end.atEnd.count == workers && end.atEnd.allSatisfy { $0.isEmpty }, "\(end.atEnd)",
        sourceLocation: sourceLocation)
    // A thread of the pool for blocking work keeps the port until it has ended.
    try await eventually("no descriptor is left", sourceLocation: sourceLocation) {
        openDescriptors() <= descriptorsBefore
    }
}

/// Numbers that look random; each thread has its own.
struct Dice {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }

    mutating func roll(_ sides: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state >> 33) % sides
    }
}

extension IocpContext<Trip> {
    /// To a worker that its own history chooses. What refuses it for a moment is no fault.
    func moveSomewhere(_ journal: Journal? = nil) {
        var dice = Dice(UInt64(state.record.bytes &+ 31 &* state.record.moves &+ 7))
        let error = refusal { () throws(IOCPError) in try move(to: dice.roll(worker.port.workerCount)) }
        guard let error, !["EAGAIN", "EALREADY", "ESHUTDOWN", "ENOTCONN"].contains(error.name) else { return }
        state.live.journal.violated("a move was refused: \(error)")
    }
}

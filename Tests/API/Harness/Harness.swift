import Glibc
import IOCP
import Testing

/// What must hold over a whole server's life, whatever its handler does: opened before everything, closed exactly once
/// and last (G3), nothing held at the end.
final class Ledger: Sendable {
    struct Entries {
        var open: Set<Connection> = []
        var opened = 0
        var closed: [CloseReason] = []
        var violations: [String] = []
        var atEnd: [WorkerHoldings] = []
        var liveStates = 0
        var nothingHeld: Bool { atEnd.allSatisfy { $0.isEmpty } }
    }
    private let entries = Locked(Entries())

    func update(_ body: (inout Entries) -> Void) { entries.withLock { body(&$0) } }
    var snapshot: Entries { entries.withLock { $0 } }
}

/// The state of a test connection: counts itself, so that a leaked context is seen.
final class Counted {
    private let ledger: Ledger
    init(_ ledger: Ledger) {
        self.ledger = ledger
        ledger.update { $0.liveStates += 1 }
    }
    deinit { ledger.update { $0.liveStates -= 1 } }
}

/// What a test wants of its server; every member has a default.
struct Behaviour: Sendable {
    typealias Context = IocpContext<Counted>
    var opened: @Sendable (Context) throws(IOCPError) -> Void = { (_: Context) throws(IOCPError) in }
    var received: @Sendable (consuming ReceivedBytes, Context) throws(IOCPError) -> Void = {
        (bytes: consuming ReceivedBytes, connection: Context) throws(IOCPError) in try connection.send(bytes)
    }
    var peerFinished: @Sendable (Context) throws(IOCPError) -> Void = { (connection: Context) throws(IOCPError) in
        connection.close()
    }
    var sent: @Sendable (UInt64, IOCPError?, Context) throws(IOCPError) -> Void = {
        (_: UInt64, _: IOCPError?, _: Context) throws(IOCPError) in
    }
    var posted: @Sendable (UInt64, Context?, Worker) throws(IOCPError) -> Void = {
        (_: UInt64, _: Context?, _: Worker) throws(IOCPError) in
    }
    var postedObject: @Sendable (any AnyObject & Sendable, Context?, Worker) throws(IOCPError) -> Void = {
        (_: any AnyObject & Sendable, _: Context?, _: Worker) throws(IOCPError) in
    }
    var writable: @Sendable (Context) throws(IOCPError) -> Void = { (_: Context) throws(IOCPError) in }
    var timerFired: @Sendable (UInt64, IOCPError?, Worker) throws(IOCPError) -> Void = {
        (_: UInt64, _: IOCPError?, _: Worker) throws(IOCPError) in
    }
    var connectFailed: @Sendable (IOCPError, UInt64) -> Void = { _, _ in }
}

struct AuditedHandler:
    ConnectionHandler, Handles.Opened, Handles.ConnectFailed, Handles.PeerFinished, Handles.Sent, Handles.Writable,
    Handles.Closed, Handles.Posted, Handles.PostedObject, Handles.TimerFired, Handles.Stopped
{
    let behaviour: Behaviour
    let ledger: Ledger
    let worker: Worker

    func makeState() -> Counted { Counted(ledger) }

    func opened(_ connection: IocpContext<Counted>) throws(IOCPError) {
        let name = connection.connection
        ledger.update {
            $0.opened += 1
            if !$0.open.insert(name).inserted { $0.violations.append("opened twice: \(name)") }
        }
        try behaviour.opened(connection)
    }

    func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<Counted>) throws(IOCPError) {
        expectOpen(connection, "received")
        try behaviour.received(bytes, connection)
    }

    func peerFinished(_ connection: IocpContext<Counted>) throws(IOCPError) {
        expectOpen(connection, "peerFinished")
        try behaviour.peerFinished(connection)
    }

    func sent(key: UInt64, error: IOCPError?, on connection: IocpContext<Counted>) throws(IOCPError) {
        expectOpen(connection, "sent")
        try behaviour.sent(key, error, connection)
    }

    func closed(_ connection: IocpContext<Counted>, reason: CloseReason) {
        let name = connection.connection
        ledger.update {
            $0.closed.append(reason)
            if $0.open.remove(name) == nil { $0.violations.append("closed without being open: \(name)") }
        }
    }

    func posted(_ value: UInt64, to connection: IocpContext<Counted>?, on worker: Worker) throws(IOCPError) {
        try behaviour.posted(value, connection, worker)
    }

    func posted(object: any AnyObject & Sendable, to connection: IocpContext<Counted>?, on worker: Worker)
        throws(IOCPError)
    {
        try behaviour.postedObject(object, connection, worker)
    }

    func writable(_ connection: IocpContext<Counted>) throws(IOCPError) {
        expectOpen(connection, "writable")
        try behaviour.writable(connection)
    }

    func timerFired(key: UInt64, error: IOCPError?, connection: IocpContext<Counted>?, on worker: Worker)
        throws(IOCPError)
    {
        try behaviour.timerFired(key, error, worker)
    }

    func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) {
        behaviour.connectFailed(error, key)
    }

    func stopped(on worker: Worker) {
        let holdings = worker.holdings
        ledger.update { $0.atEnd.append(holdings) }
    }

    private func expectOpen(_ connection: IocpContext<Counted>, _ event: String) {
        let name = connection.connection
        ledger.update { if !$0.open.contains(name) { $0.violations.append("\(event) outside of its life: \(name)") } }
    }
}

typealias AuditedServer = IOCPServer<AuditedHandler>

/// The drivers that every API test runs on.
let testedDrivers: [Driver] = [.uring, .epoll]

/// Runs a server for `body`, then stops it and checks that nothing is left: connections, leases, chunks, contexts, fds.
func withServer(
    _ driver: Driver, _ change: (inout PortConfiguration) -> Void = { _ in }, _ behaviour: Behaviour = Behaviour(),
    drainingFor drain: Duration = .zero, sourceLocation: SourceLocation = #_sourceLocation,
    body: (AuditedServer, Int, Ledger) async throws -> Void
) async throws {
    var configuration = PortConfiguration()
    configuration.driver = driver
    configuration.workers = 2
    configuration.lingerTimeout = .milliseconds(500)
    change(&configuration)
    let ledger = Ledger()
    let descriptorsBefore = openDescriptors()
    do {
        let server = try AuditedServer(configuration) {
            AuditedHandler(behaviour: behaviour, ledger: ledger, worker: $0)
        }
        let address = try server.listen(host: "127.0.0.1", port: 0).address!
        let result: Result<Void, any Error>
        do {
            try await body(server, address.port, ledger)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        server.stop(drainingFor: drain)
        try await server.wait()
        expectCounted(ledger.snapshot.closed, by: server.port, sourceLocation)
        try result.get()
    }
    let end = ledger.snapshot
    #expect(end.violations.isEmpty, sourceLocation: sourceLocation)
    #expect(end.open.isEmpty, "connections without closed", sourceLocation: sourceLocation)
    #expect(end.opened == end.closed.count, sourceLocation: sourceLocation)
    #expect(end.liveStates == 0, "contexts are still held", sourceLocation: sourceLocation)
    #expect(end.nothingHeld, "\(end.atEnd)", sourceLocation: sourceLocation)
    // The last reference of a port may be another thread's, which has just done its part.
    try await eventually("no descriptor leaks", sourceLocation: sourceLocation) { openDescriptors() <= descriptorsBefore }
}

/// The page counts the closed connections by the reasons that the handler was told.
private func expectCounted(_ closed: [CloseReason], by port: CompletionPort, _ sourceLocation: SourceLocation) {
    let stats = WorkerStats.total(of: (0..<port.workerCount).map { port.stats(ofWorker: $0) })
    func count(_ isOne: (CloseReason) -> Bool) -> UInt64 { UInt64(closed.count(where: isOne)) }
    // Those that a body connected, or that never opened for the handler, are counted, too.
    let counted: [(String, UInt64, UInt64)] = [
        ("local", stats.closedHere, count { $0 == .local }), ("peer", stats.closedByPeer, count { $0 == .peer }),
        ("reset", stats.reset, count { if case .reset = $0 { true } else { false } }),
        // A handler that throws has its connection aborted.
        ("aborted", stats.aborted, count { if case .handlerThrew = $0 { true } else { $0 == .aborted } }),
        ("stopped", stats.closedByStop, count { $0 == .stopped }),
        ("idle", stats.idleTimeouts, count { $0 == .idleTimeout }),
        ("receive", stats.receiveTimeouts, count { $0 == .receiveTimeout }),
        ("send", stats.sendTimeouts, count { $0 == .sendTimeout }),
        ("overflow", stats.overflows, count { $0 == .sendOverflow }),
        ("failed", stats.failed + stats.closedByLayer, count { if case .failed = $0 { true } else { false } }),
    ]
    #expect(stats.closed == counted.reduce(0) { $0 + $1.1 }, sourceLocation: sourceLocation)
    for (reason, said, due) in counted {
        let agree = stats.closed == UInt64(closed.count) ? said == due : said >= due
        #expect(agree, "closed for the reason '\(reason)': \(said), and \(due) were told", sourceLocation: sourceLocation)
    }
}

/// The error with which a call is refused, or nil when it is not.
func refusal(_ call: () throws(IOCPError) -> Void) -> IOCPError? {
    do throws(IOCPError) {
        try call()
        return nil
    } catch {
        return error
    }
}

/// Sockets, rings, eventfds and memfds of this process. Others come and go with the runtime's own needs.
func openDescriptors() -> Int {
    let kinds = ["socket:", "anon_inode:[io_uring]", "anon_inode:[eventfd]", "/memfd:iocp-stats"]
    guard let directory = opendir("/proc/self/fd") else { return 0 }
    defer { closedir(directory) }
    var text = [CChar](repeating: 0, count: 256)
    var open = 0
    while let entry = readdir(directory) {
        let count = withUnsafePointer(to: &entry.pointee.d_name) {
            $0.withMemoryRebound(to: CChar.self, capacity: 256) { readlinkat(dirfd(directory), $0, &text, text.count) }
        }
        guard count > 0 else { continue }
        let target = String(decoding: text.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
        if kinds.contains(where: target.hasPrefix) { open += 1 }
    }
    return open
}

/// Of the whole process: for a test that has one of its own.
func limitOpenFiles(to count: rlim_t) throws {
    var limit = rlimit(rlim_cur: count, rlim_max: 4096)
    try #require(setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
}

/// Waits until a condition holds; fails the test after 10 s. The only waiting there is: nothing sleeps to synchronise.
func eventually(
    _ what: String, within limit: Duration = .seconds(10), sourceLocation: SourceLocation = #_sourceLocation,
    _ condition: () throws -> Bool
) async throws {
    let end = ContinuousClock.now + limit
    while try !condition() {
        if ContinuousClock.now > end {
            Issue.record("not within \(limit): \(what)", sourceLocation: sourceLocation)
            throw CancellationError()
        }
        try await Task.sleep(for: .milliseconds(1))
    }
}

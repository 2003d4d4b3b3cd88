import CIOCPInternals
import Glibc
import IOCP
import Testing

/// A worker of the core's over a real driver, on the test's own thread, whose dealings with the kernel fail on demand.
final class FaultyWorker {
    let kind: Driver
    let listeningPort: Int
    let port: OpaquePointer
    private let worker: OpaquePointer

    // What came, in order.
    private(set) var opened: [iocp_token] = []
    private(set) var connecting: [iocp_token] = []  // what connect accepted
    private(set) var closed: [iocp_completion] = []
    private(set) var failed: [iocp_completion] = []
    private(set) var sent: [iocp_completion] = []
    private(set) var fired: [iocp_completion] = []
    private(set) var received: [UInt8] = []
    /// Whether leases are kept, until they are returned.
    var keepsLeases = false
    private var kept: [UInt16] = []

    init(_ kind: Driver, _ configure: (inout iocp_port_config) -> Void = { _ in }) throws {
        self.kind = kind
        (port, listeningPort) = try Self.createPort(kind, configure)
        var failure = iocp_failure()
        var opened: OpaquePointer?
        let result = internals_port_attach(port, &opened, &failure)
        if result < 0 { iocp_port_destroy(port) }
        worker = try #require(opened, "\(Errno(-result))")
    }

    deinit {
        internals_faults_end()
        iocp_worker_close(worker)
        iocp_port_destroy(port)
    }

    static func configuration(_ kind: Driver) -> iocp_port_config {
        var configuration = iocp_port_config_default()
        configuration.driver = kind == .uring ? IOCP_DRIVER_URING : IOCP_DRIVER_EPOLL
        configuration.worker_count = 1
        configuration.connections_per_worker = 64
        configuration.worker_placement = IOCP_PLACE_UNBOUND
        configuration.linger_timeout_ns = 1_000_000_000
        return configuration
    }

    /// A port of one worker that listens on 127.0.0.1. The probe of the kernel is behind it.
    static func createPort(_ kind: Driver, _ configure: (inout iocp_port_config) -> Void) throws -> (OpaquePointer, Int)
    {
        var configuration = configuration(kind)
        configure(&configuration)
        var failure = iocp_failure()
        var created: OpaquePointer?
        let result = iocp_port_create(&configuration, &created, &failure)
        let port = try #require(created, "\(Errno(-result))")
        var address = loopback(port: 0)
        var bound = iocp_address()
        try #require(iocp_port_listen(port, &address, &bound, &failure) == 0)
        return (port, Int(UInt16(bigEndian: bound.port_be)))
    }

    static func loopback(port: Int) -> iocp_address {
        var address = iocp_address()
        withUnsafeMutableBytes(of: &address.bytes) { $0.copyBytes(from: [127, 0, 0, 1]) }
        address.port_be = UInt16(port).bigEndian
        return address
    }

    // MARK: - Faults

    /// The next `times` calls or submissions at a point fail, after `passing` that do not.
    func fail(_ point: internals_fault_point, with error: Errno, passing: UInt32 = 0, times: UInt32 = 1) {
        internals_fault_arm(point, error.code, passing, times)
    }

    /// Time passes, without waiting for it.
    func pass(milliseconds: UInt64) {
        internals_faults_pass(milliseconds * 1_000_000)
        turn(timeoutNs: 0)
    }

    func struck(_ point: internals_fault_point) -> UInt32 { internals_faults_struck(point) }

    /// Runs a call into the core, during which faults strike.
    private func inside<Result>(_ call: () -> Result) -> Result {
        internals_faults_inside(true)
        defer { internals_faults_inside(false) }
        return call()
    }

    // MARK: - As the application

    /// One wait, at most a millisecond long. Returns what it returned.
    @discardableResult
    func turn(timeoutNs: UInt64 = 1_000_000) -> Int32 {
        var batch = [iocp_completion](repeating: iocp_completion(), count: 64)
        let count = inside { iocp_worker_wait(worker, &batch, UInt32(batch.count), timeoutNs) }
        for completion in batch.prefix(Int(max(0, count))) { take(completion) }
        return count
    }

    private func take(_ completion: iocp_completion) {
        switch completion.kind {
        case IOCP_COMPLETION_OPENED: opened.append(completion.connection)
        case IOCP_COMPLETION_CLOSED: closed.append(completion)
        case IOCP_COMPLETION_CONNECT_FAILED: failed.append(completion)
        case IOCP_COMPLETION_SENT: sent.append(completion)
        case IOCP_COMPLETION_TIMER: fired.append(completion)
        case IOCP_COMPLETION_RECEIVED:
            received += UnsafeBufferPointer(start: completion.bytes, count: Int(completion.result))
            kept.append(completion.detail)
            if !keepsLeases { returnLeases() }
        default: break
        }
    }

    func returnLeases() {
        for lease in kept { iocp_lease_return(worker, lease) }
        kept = []
    }

    /// Takes turns until a condition holds; fails the test after 10 s.
    func until(
        _ what: String, turnNs: UInt64 = 1_000_000, sourceLocation: SourceLocation = #_sourceLocation,
        _ condition: () throws -> Bool
    ) throws {
        let end = iocp_clock_ns() + 10_000_000_000
        while try !condition() {
            turn(timeoutNs: turnNs)
            try #require(iocp_clock_ns() < end, "not within 10 s: \(what)", sourceLocation: sourceLocation)
        }
    }

    /// A client whose connection is open. Faults armed before strike its first operations.
    func open(receiveBufferBytes: Int32? = nil) throws -> (peer: Peer, connection: iocp_token) {
        let count = opened.count
        let peer = try Peer.connect(port: listeningPort, receiveBufferBytes: receiveBufferBytes)
        try until("opened") { opened.count > count }
        return (peer, opened[count])
    }

    func connect(port: Int? = nil, source: iocp_address? = nil, key: UInt64 = 0, timeoutNs: UInt64 = 0) -> Int32 {
        var address = Self.loopback(port: port ?? listeningPort)
        var connection = iocp_token()
        let result = inside {
            guard var source else { return iocp_connect_within(worker, &address, nil, timeoutNs, key, &connection) }
            return iocp_connect_within(worker, &address, &source, timeoutNs, key, &connection)
        }
        if result == 0 { connecting.append(connection) }
        return result
    }

    func send(_ connection: iocp_token, _ bytes: [UInt8]) -> Int32 {
        inside { iocp_send(worker, connection, bytes, bytes.count) }
    }

    func notify(_ connection: iocp_token, key: UInt64) -> Int32 { iocp_send_notify(worker, connection, key) }
    func startTimer(after milliseconds: UInt64, for connection: iocp_token, key: UInt64) -> Int32 {
        var timer = iocp_timer()
        return iocp_timer_start(worker, connection, milliseconds * 1_000_000, key, &timer)
    }

    func pause(_ connection: iocp_token) -> Int32 { iocp_receive_pause(worker, connection) }
    func resume(_ connection: iocp_token) -> Int32 { iocp_receive_resume(worker, connection) }
    func finish(_ connection: iocp_token) -> Int32 { iocp_finish_sending(worker, connection) }
    func close(_ connection: iocp_token) -> Int32 { iocp_close(worker, connection) }
    func giveUp(_ connection: iocp_token) -> Int32 { iocp_connect_cancel(worker, connection) }
    func abort(_ connection: iocp_token) -> Int32 { iocp_abort(worker, connection) }
    func setTimeouts(_ connection: iocp_token, _ timeouts: iocp_timeouts) -> Int32 {
        withUnsafePointer(to: timeouts) { iocp_connection_set_timeouts(worker, connection, $0) }
    }
    func stop() { iocp_port_stop(port, 1_000_000_000) }

    func peer(_ connection: iocp_token) -> Int32 {
        var address = iocp_address()
        return inside { iocp_connection_peer(worker, connection, &address) }
    }

    func local(_ connection: iocp_token) -> Int32 {
        var address = iocp_address()
        return inside { iocp_connection_local(worker, connection, &address) }
    }

    func counters(_ connection: iocp_token, _ counters: inout iocp_connection_counters) -> Int32 {
        iocp_connection_counters_get(worker, connection, &counters)
    }

    /// A wait into less than the least.
    func waitTooSmall() -> Int32 {
        var batch = [iocp_completion](repeating: iocp_completion(), count: 64)
        return iocp_worker_wait(worker, &batch, UInt32(IOCP_WAIT_CAPACITY_MIN) - 1, 0)
    }

    func unsent(_ connection: iocp_token) -> UInt64 { iocp_connection_unsent_bytes(worker, connection) }
    var stats: iocp_worker_stats { iocp_port_stats(port, 0) }
    var holdings: iocp_worker_holdings { iocp_worker_hold(worker) }

    // MARK: - What must hold

    /// The connection goes on: bytes pass in both directions.
    func expectAlive(_ connection: iocp_token, _ peer: Peer, sourceLocation: SourceLocation = #_sourceLocation) throws {
        let before = received.count
        try peer.send([1, 2, 3])
        try until("bytes received", sourceLocation: sourceLocation) { received.count >= before + 3 }
        #expect(Array(received.suffix(3)) == [1, 2, 3], sourceLocation: sourceLocation)
        #expect(send(connection, [4, 5]) == 0, sourceLocation: sourceLocation)
        try until("bytes sent", sourceLocation: sourceLocation) { unsent(connection) == 0 }
        #expect(try peer.receive(2) == [4, 5], sourceLocation: sourceLocation)
        #expect(closed.isEmpty, sourceLocation: sourceLocation)
    }

    /// The connection ended once, for that reason.
    func expectClosed(
        _ connection: iocp_token, _ reason: iocp_close_reason, _ error: Errno?,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try until("closed", sourceLocation: sourceLocation) { !closed.isEmpty }
        #expect(closed.map(\.connection) == [connection], sourceLocation: sourceLocation)
        #expect(closed[0].detail == reason.rawValue, sourceLocation: sourceLocation)
        #expect(closed[0].result == -(error?.code ?? 0), sourceLocation: sourceLocation)
    }

    /// What is still open ends, everything that opened is closed once, and nothing is held.
    func expectNothingHeld(sourceLocation: SourceLocation = #_sourceLocation) throws {
        internals_faults_end()
        for connection in opened { _ = abort(connection) }
        try until("nothing held", sourceLocation: sourceLocation) {
            let held = holdings
            return held.connections == 0 && held.leases == 0 && held.send_nodes == 0 && held.send_chunks == 0
                && held.deadlines == 0 && held.driver_handles == 0
        }
        #expect(Set(closed.map(\.connection)) == Set(opened), sourceLocation: sourceLocation)
        #expect(closed.count == opened.count, sourceLocation: sourceLocation)
    }
}

/// An errno that shows its name.
struct Errno: CustomTestStringConvertible, Hashable, Sendable {
    let code: Int32
    init(_ code: Int32) { self.code = code }
    var name: String { iocp_error_name(code).map { String(cString: $0) } ?? "\(code)" }
    var testDescription: String { name }
}

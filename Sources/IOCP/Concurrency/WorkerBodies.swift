import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The bodies of one worker, and which of them serves which connection. Thread: the worker's.
@safe
@usableFromInline
final class WorkerBodies {
    private let raw: OpaquePointer
    private let actor: WorkerActor
    /// By slot; made with the first body. Those that bodies connected are not kept alive here: they close when their last
    /// reference goes, and take themselves out.
    private var table: UnsafeMutablePointer<Unmanaged<AsyncConnection>?>?
    private let capacity: Int
    /// Tasks that have not ended.
    private(set) var running = 0
    /// Connections that were handed back before their flushes were answered. Kept until then, so that no other has their keys.
    private var unanswered: [AsyncConnection] = []
    /// What is to be told to the handler.
    private var ends = Queue<BodyEnd>()
    /// Receives the errors of bodies; nil: the handler does.
    var onError: (@Sendable (BodyError) -> Void)?
    /// Receive leases of the worker from which on bytes are copied that a body does not take at once.
    let leasesMax: UInt32

    /// How long the end of a worker waits for bodies that do not end when they are cancelled.
    static let patience = Duration.seconds(1)

    init(_ worker: OpaquePointer, _ port: CompletionPort, _ actor: WorkerActor) {
        unsafe raw = worker
        self.actor = actor
        capacity = unsafe Int(iocp_worker_slot_count(worker))
        leasesMax = unsafe iocp_port_configuration(port.raw).pointee.receive_buffers_per_worker / 2
        unsafe table = nil
    }

    deinit { unsafe table?.deallocate() }

    private subscript(slot: Int) -> AsyncConnection? {
        guard let table = unsafe table, let connection = unsafe table[slot] else { return nil }
        return unsafe connection.takeUnretainedValue()
    }

    // MARK: - Bodies

    /// Starts the task of a connection.
    func start(_ connection: AsyncConnection, _ body: @escaping ConnectionBody) {
        know(connection)
        keep(connection)
        running += 1
        nonisolated(unsafe) let bodies = self
        nonisolated(unsafe) let connection = connection
        let task = actor.assumeIsolated { actor in
            unsafe bodies.launch(on: actor, connection, body)
        }
        unsafe connection.run(as: task)
    }

    private func launch(on actor: isolated WorkerActor, _ connection: AsyncConnection, _ body: @escaping ConnectionBody)
        -> Task<Void, Never>
    {
        nonisolated(unsafe) let bodies = self
        nonisolated(unsafe) let connection = connection
        return Task.immediate(executorPreference: actor.executor) {
            await unsafe actor.serve(connection, body, of: bodies)
        }
    }

    /// Has the events of a connection go to it.
    func know(_ connection: AsyncConnection) {
        let table: UnsafeMutablePointer<Unmanaged<AsyncConnection>?>
        if let made = unsafe self.table {
            unsafe table = made
        } else {
            unsafe table = .allocate(capacity: capacity)
            unsafe table.initialize(repeating: nil, count: capacity)
            unsafe self.table = table
        }
        unsafe table[connection.here.slot] = .passUnretained(connection)
    }

    /// Until it has closed or is handed back: so its last reference may go on any thread.
    private func keep(_ connection: AsyncConnection) {
        unsafe _ = Unmanaged.passRetained(connection)
        connection.isKept = true
    }

    private func unkeep(_ connection: AsyncConnection) {
        guard connection.isKept else { return }
        connection.isKept = false
        unsafe Unmanaged.passUnretained(connection).release()
    }

    /// The worker ends, and the connections that are left without an event.
    func end() {
        unanswered = []
        for slot in 0..<(unsafe table == nil ? 0 : capacity) {
            guard let connection = self[slot] else { continue }
            unsafe table?[slot] = nil
            unkeep(connection)
        }
    }

    /// Every connection that a body serves or made.
    var known: [AsyncConnection] { unsafe table == nil ? [] : (0..<capacity).compactMap { self[$0] } }

    /// A connection goes, or is the handler's again.
    func forget(_ connection: AsyncConnection, _ token: iocp_token) {
        guard token != 0, let table = unsafe table else { return }
        let slot = Int(iocp_token_slot(token))
        if let known = unsafe table[slot], unsafe known.toOpaque() == Unmanaged.passUnretained(connection).toOpaque() {
            unsafe table[slot] = nil
            unkeep(connection)
        }
    }

    /// A body has returned or thrown.
    func ended(_ connection: AsyncConnection, _ error: (any Error)?) {
        running -= 1
        let failure = error.flatMap { connection.isExpected($0) ? nil : $0 }
        if failure == nil && connection.isHandedBack && !connection.isClosing {
            return ends.append(.handedBack(connection))
        }
        connection.bodyEnded()
        guard let failure else { return connection.closeIfOpen() }
        guard let onError else { return ends.append(.threw(IOCPError(wrapping: failure), connection.connection)) }
        unsafe iocp_worker_count_handler_error(raw)
        onError(BodyError(failure, of: connection))  // while it is open, and so knows its peer
        connection.abortIfOpen()
    }

    // MARK: - Events

    @usableFromInline
    func received(_ bytes: consuming ReceivedBytes, on connection: iocp_token) {
        self[Int(iocp_token_slot(connection))]?.received(bytes)
    }

    @usableFromInline
    func finishInput(of connection: iocp_token) { self[Int(iocp_token_slot(connection))]?.finishInput() }

    /// Whether a body that has ended left a flush of this connection unanswered, whose answer is known here alone.
    func awaitsAnswers(of connection: Connection) -> Bool { unanswered.contains { $0.connection == connection } }

    func awaitAnswers(of connection: AsyncConnection) {
        if !awaitsAnswers(of: connection.connection) { _ = unsafe iocp_connection_keep(raw, connection.name, true) }
        unanswered.append(connection)
    }

    /// A `sent` completion that no body waits for. Returns whether it answers a flush of a body that has ended.
    @usableFromInline
    func takeLateAnswer(_ key: UInt64) -> Bool {
        guard let index = unanswered.firstIndex(where: { $0.sent(key, nil) }) else { return false }
        if unanswered[index].flushes?.isUnanswered != true {
            let connection = unanswered.remove(at: index)
            if !awaitsAnswers(of: connection.connection) { _ = unsafe iocp_connection_keep(raw, connection.name, false) }
        }
        return true
    }

    /// An event of a connection that a body serves. Returns whether it was the body's alone.
    @usableFromInline
    func take(_ completion: Completion, at slot: Int) -> Bool {
        let connection = self[slot]
        switch completion.event {
        case .peerFinished: connection?.finishInput()
        case .writable: connection?.writable()
        case .sent(let error): return connection?.sent(completion.key, error) ?? false
        case .closed(let reason):
            unsafe table?[slot] = nil
            if let connection {
                connection.closed(reason)
                unkeep(connection)
            }
            return false
        default: return false
        }
        return true
    }

    /// The port stops: bodies are handed nothing more, and may finish what they are at. For that they may need the answers on
    /// the connections that they made themselves, which go on.
    @usableFromInline
    func stopping() {
        endInputs(within: .zero)
        // Timers of the worker end with its stop. Nothing is held for these, which may be late.
        for late in Set(served.map(\.readsPastStop)) where late > .zero {
            Task.detached { [weak actor] in
                try await Task.sleep(for: late)
                await actor?.endInputs(within: late)
            }
        }
    }

    /// Of the bodies that read no longer than this past the stop.
    func endInputs(within late: Duration) {
        for connection in served where connection.readsPastStop <= late { connection.finishInput() }
    }

    /// The connections whose bodies have not ended, without those that bodies connected.
    private var served: [AsyncConnection] { known.filter { $0.body.task != nil } }

    // MARK: - Ends

    @usableFromInline
    enum BodyEnd {
        case threw(IOCPError, Connection)
        case handedBack(AsyncConnection)
    }

    @usableFromInline
    func nextEnd() -> BodyEnd? { ends.popFirst() }

    /// Runs what is left, after the last connection has closed: bodies were cancelled then, and end soon.
    @usableFromInline
    func finish() {
        let executor = actor.executor
        let until = iocp_monotonic_ns() + WorkerBodies.patience.wholeNanoseconds
        while true {
            if executor.hasJobs {
                executor.runTurn()
            } else if running == 0 {
                break
            } else {
                usleep(100)
            }
            if iocp_monotonic_ns() > until { break }
        }
    }
}

extension WorkerActor {
    fileprivate func endInputs(within late: Duration) { place.home.worker?.bodies.endInputs(within: late) }
}

extension AsyncConnection {
    /// An error that says no more than that the connection has closed, as `closed` does.
    func isExpected(_ error: any Error) -> Bool {
        guard isClosing else { return false }
        if error is CancellationError { return true }
        guard let error = error as? IOCPError else { return false }
        return [endError?.code, ENOTCONN, ECANCELED, EPIPE].contains(error.code)
    }

    @usableFromInline
    func closeIfOpen() {
        if token != 0 { close() }
    }

    func abortIfOpen() {
        if token != 0 { abort() }
    }
}

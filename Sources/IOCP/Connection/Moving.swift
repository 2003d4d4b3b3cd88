import CIOCP
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension IocpContext {
    /// Asks that this connection goes on with another worker of its port, while it is open. Its peer notices nothing.
    ///
    /// For a connection whose worker is the wrong one: busy ones that came together by chance, or players of one game that are to
    /// share a thread. The handlers of both workers take part in moves: see ``Handles/Migrated``.
    ///
    /// ```swift
    /// mutating func received(_ bytes: RawSpan, on player: IocpContext<Player>) throws(IOCPError) {
    ///     if let room = player.state.room { return tell(room, bytes) }
    ///     let room = Int(bytes.byte(at: 0))
    ///     player.state.room = room
    ///     players[player.connection] = player
    ///     try gather(player, in: room)
    /// }
    ///
    /// /// A worker that has no room just now is asked again.
    /// private func gather(_ player: IocpContext<Player>, in room: Int) throws(IOCPError) {
    ///     do throws(IOCPError) {
    ///         try player.move(to: room % player.worker.port.workerCount)
    ///     } catch {
    ///         guard error.code == EAGAIN else { throw error }
    ///         try player.worker.startTimer(after: .milliseconds(10), for: player.connection, key: UInt64(room))
    ///     }
    /// }
    ///
    /// func timerFired(key: UInt64, error: IOCPError?, connection player: IocpContext<Player>?, on worker: Worker) throws(IOCPError) {
    ///     if let player, error == nil { try gather(player, in: Int(key)) }
    /// }
    ///
    /// mutating func migrating(_ player: IocpContext<Player>, to worker: Int) {
    ///     players[player.connection] = nil
    /// }
    ///
    /// mutating func migrated(_ player: IocpContext<Player>, from worker: Int) {
    ///     players[player.connection] = player
    /// }
    /// ```
    /// It is a wish. Events go on until what the driver has of the connection is at an end; then comes
    /// ``ConnectionHandler/migrating(_:to:)``, the last call here, and ``ConnectionHandler/migrated(_:from:)`` on the other worker.
    /// This context is no connection's from there on: its calls throw ENOTCONN. The state goes along, and so do unsent bytes,
    /// notifications, timers with keys, timeouts, watermarks and a pause. No byte is lost, or comes in another order, and
    /// ``ConnectionHandler/closed(_:reason:)`` comes once, where the connection is by then. A connection that closes first does not
    /// go; one that something keeps here after all comes back: `migrated` tells the same worker.
    ///
    /// ``ConnectionContext/connection`` stays its name, for as long as it lives. What other threads post and send to that reaches
    /// it wherever it is, in order and once. The calls of another ``Worker`` on it throw EXDEV, and those that cannot throw trap.
    ///
    /// Async bodies, subscriptions to a ``Topic``, offloaded work and scheduled closures belong to a worker. While the connection
    /// has one of these it stays; one that begins before `migrating` calls the move off, and nobody is told.
    /// - Parameter worker: counted from 0. If it is this one, nothing happens.
    /// - Throws: EINVAL for a worker that the port does not have. EBUSY for what has to stay, and for a connection that has finished
    ///   sending, or whose peer has. EOPNOTSUPP where it is secured by TLS, or a handler takes no part. EAGAIN when the other worker has
    ///   no room, or has not begun. EALREADY when it is on its way. ESHUTDOWN when its worker stops. ENOTCONN when closed or closing.
    /// - Complexity: O(timers armed on this worker), and as much again with the departure; some tens of microseconds on the way.
    public func move(to worker: Int) throws(IOCPError) {
        try check(unsafe iocp_connection_refusal(raw, token), .move)
        let port = home.port
        let target = try port.workerIndex(worker, .move)
        guard unsafe target != iocp_worker_index(raw), let here = home.worker else { return }
        if let obstacle = obstacle(on: here) { throw IOCPError(code: EBUSY, operation: .move, detail: obstacle) }
        if let refusal = port.movingHandlers.refusal(from: here.index, to: worker) { throw refusal }
        try check(unsafe iocp_connection_move(raw, token, target), .move)
    }

    /// What the core does not know of.
    private func obstacle(on worker: Worker) -> String? {
        if server != .handler { return "an async body serves it" }
        if worker.topics.holds(here) { return "it is subscribed to a topic" }
        if worker.bodies.awaitsAnswers(of: connection) { return "a flush of its former body is unanswered" }
        return nil
    }
}

extension Worker {
    /// The token by which this worker knows a connection: its name, unless it came from another worker.
    @inlinable
    @inline(__always)
    func here(_ connection: Connection) -> iocp_token {
        let token = connection.token
        if unsafe iocp_token_worker(token) == iocp_worker_index(raw) { return token }
        return unsafe iocp_connection_here(raw, token)
    }
}

/// The handlers that run on a port's workers, and what their connections remember. A state is only handed to a handler of the
/// same type of state.
@usableFromInline
final class MovingHandlers: Sendable {
    private enum Handler: Equatable {
        case takesPart(state: ObjectIdentifier)
        case stays
    }
    private let handlers = Mutex<[Int: Handler]>([:])

    /// - Parameter state: nil: it takes no part.
    func runs(on worker: Int, with state: Any.Type?) {
        let handler = state.map { Handler.takesPart(state: ObjectIdentifier($0)) } ?? .stays
        handlers.withLock { $0[worker] = handler }
    }

    func refusal(from worker: Int, to other: Int) -> IOCPError? {
        func unsupported(_ detail: String) -> IOCPError {
            IOCPError(code: EOPNOTSUPP, operation: .move, detail: detail)
        }
        let (own, others) = handlers.withLock { ($0[worker], $0[other]) }
        switch (own, others) {
        case (.stays, _), (nil, _): return unsupported("its handler is not Handles.Migrated")
        case (_, nil):
            return IOCPError(code: EAGAIN, operation: .move, detail: "no handler runs on worker \(other) yet")
        case (_, .stays): return unsupported("the handler of worker \(other) is not Handles.Migrated")
        default: return own == others ? nil : unsupported("the handler of worker \(other) has another State")
        }
    }
}

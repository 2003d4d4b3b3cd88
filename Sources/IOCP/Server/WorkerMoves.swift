import CIOCP

/// What a connection takes along to another worker: what only Swift knows of it. The core carries it as a pointer, and holds one
/// reference from the giving to the arrival.
@usableFromInline
class Luggage: @unchecked Sendable {
    // @unchecked: one thread packs it and one unpacks it, later; and a state that moves is Sendable: Handles.Migrated.
    /// Kept, and not asked of the core: that has another where the home is the receiver, and has forgotten the name as it leaves.
    @usableFromInline let name: iocp_token
    @usableFromInline let key: UInt64
    @usableFromInline let listener: UInt16

    @usableFromInline
    init(of connection: ConnectionContext) {
        (name, key, listener) = (connection.name, connection.key, connection.listenerName)
    }
}

@usableFromInline
final class LuggageWithState<State>: Luggage, @unchecked Sendable {
    private var state: State?

    @usableFromInline
    init(_ state: State, of connection: ConnectionContext) {
        self.state = state
        super.init(of: connection)
    }

    /// Once. Nothing else holds it then, so that to change it copies nothing.
    @usableFromInline
    func takeState() -> State {
        guard let state = state.take() else { preconditionFailure("a connection came twice") }
        return state
    }
}

extension Luggage {
    /// To the core, between LEAVING and the next wait.
    @usableFromInline
    func give(of connection: iocp_token, to worker: OpaquePointer) {
        let reference = unsafe Unmanaged.passRetained(self)
        let result = unsafe iocp_connection_give(worker, connection, reference.toOpaque(), Luggage.release)
        precondition(result == 0, "a connection that leaves could not take along what it has")
    }

    /// From the core, with ARRIVED.
    @usableFromInline
    static func take(from record: iocp_completion) -> Luggage {
        guard let given = unsafe record.bytes else { preconditionFailure("a connection came without what it had") }
        return unsafe Unmanaged<Luggage>.fromOpaque(given).takeRetainedValue()
    }

    /// Nobody is told of the arrival: its worker is closed before its end.
    private static let release: @convention(c) (UnsafeMutableRawPointer?) -> Void = { luggage in
        guard let luggage = unsafe luggage else { return }
        unsafe Unmanaged<Luggage>.fromOpaque(luggage).release()
    }
}

extension Worker {
    /// Before the first completion of a handler.
    @inlinable
    func takePartInMoves<Handler: ConnectionHandler>(_ handler: Handler.Type) {
        takePartInMoves(with: handler is any Handles.Migrated.Type ? Handler.State.self : nil)
    }

    @usableFromInline
    func takePartInMoves(with state: Any.Type?) {
        port.movingHandlers.runs(on: index, with: state)
        guard let state else { return }
        let kind = UInt64(UInt(bitPattern: ObjectIdentifier(state)))
        requireOwnThread(unsafe iocp_worker_take_part_in_moves(raw, kind))
    }

    @inlinable
    @inline(never)
    func leaves<Handler: ConnectionHandler>(
        _ record: iocp_completion, _ handler: inout Handler, _ pool: inout ConnectionPool<Handler.State>
    ) {
        let token = unsafe record.connection
        guard let context = pool[Connection(token: token)] else { return }
        handler.migrating(context, to: unsafe Int(record.detail))
        let luggage = LuggageWithState(pool.takeState(of: context), of: context)
        unsafe luggage.give(of: token, to: raw)
    }

    @inlinable
    @inline(never)
    func arrives<Handler: ConnectionHandler>(
        _ record: iocp_completion, _ handler: inout Handler, _ pool: inout ConnectionPool<Handler.State>
    ) {
        guard let luggage = unsafe Luggage.take(from: record) as? LuggageWithState<Handler.State> else {
            preconditionFailure("a connection came whose handler has another State")
        }
        let token = unsafe record.connection
        let context = pool.add(
            token, named: luggage.name, key: luggage.key, listener: luggage.listener,
            state: luggage.takeState())
        do throws(IOCPError) {
            try handler.migrated(context, from: unsafe Int(record.detail))
        } catch {
            threw(error, in: .migrated, on: context, &handler)
        }
    }
}

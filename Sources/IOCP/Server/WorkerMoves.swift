import CIOCP

/// What a connection takes along to another worker: what only Swift knows of it. The core carries it as a pointer, and holds one
/// reference from the giving to the arrival.
@usableFromInline
class Luggage: @unchecked Sendable {
    // @unchecked: one thread packs it and one unpacks it, later; and a state that moves is Sendable: Handles.Migrated.
    @usableFromInline let listener: UInt16

    @usableFromInline
    init(listener: UInt16) {
        self.listener = listener
    }
}

@usableFromInline
final class LuggageWithState<State>: Luggage, @unchecked Sendable {
    private var state: State?

    @usableFromInline
    init(_ state: State, listener: UInt16) {
        self.state = state
        super.init(listener: listener)
    }

    /// Once. Nothing else holds it then, so that to change it copies nothing.
    @usableFromInline
    func takeState() -> State {
        guard let state = state.take() else { preconditionFailure("a connection came twice") }
        return state
    }
}

/// The luggage of connections that are back before the core took it: a driver failed in the wait that said they leave.
/// Thread: the worker's.
@safe
@usableFromInline
final class WorkerLuggage {
    private let raw: OpaquePointer
    private var kept: [iocp_token: Luggage] = [:]

    init(_ worker: OpaquePointer) {
        unsafe raw = worker
    }

    @usableFromInline
    func give(_ luggage: Luggage, of connection: iocp_token) {
        let reference = unsafe Unmanaged.passRetained(luggage)
        let result = unsafe iocp_connection_give(raw, connection, reference.toOpaque(), WorkerLuggage.release)
        if result < 0 {
            kept[connection] = luggage
            unsafe reference.release()
        }
    }

    @usableFromInline
    func take(from record: iocp_completion) -> Luggage {
        if let given = unsafe record.bytes { return unsafe Unmanaged<Luggage>.fromOpaque(given).takeRetainedValue() }
        guard let luggage = unsafe kept.removeValue(forKey: record.connection) else {
            preconditionFailure("a connection came without what it had")
        }
        return luggage
    }

    /// Not a closure: the thread that closes a worker may be any.
    private static let release: @convention(c) (UnsafeMutableRawPointer?) -> Void = { luggage in
        guard let luggage = unsafe luggage else { return }
        unsafe Unmanaged<Luggage>.fromOpaque(luggage).release()
    }
}

extension Worker {
    /// Before the first completion of a handler.
    @inlinable
    func takePartInMoves<Handler: ConnectionHandler>(_ handler: Handler.Type) {
        guard handler is any Handles.Migrated.Type else { return }
        takePartInMoves(with: Handler.State.self)
    }

    @usableFromInline
    func takePartInMoves(with state: Any.Type) {
        port.movingHandlers.takesPart(index, with: state)
        requireOwnThread(unsafe iocp_worker_take_part_in_moves(raw, true))
    }

    @inlinable
    @inline(never)
    func leaves<Handler: ConnectionHandler>(
        _ record: iocp_completion, _ handler: inout Handler, _ pool: inout ConnectionPool<Handler.State>
    ) {
        let token = unsafe record.connection
        guard let context = pool[Connection(token: token)] else { return }
        handler.migrating(context, to: unsafe Int(record.detail))
        let listener = context.listenerName
        let state = pool.takeState(of: context)
        luggage.give(LuggageWithState(state, listener: listener), of: token)
    }

    @inlinable
    @inline(never)
    func arrives<Handler: ConnectionHandler>(
        _ record: iocp_completion, _ handler: inout Handler, _ pool: inout ConnectionPool<Handler.State>
    ) {
        guard let luggage = unsafe luggage.take(from: record) as? LuggageWithState<Handler.State> else {
            preconditionFailure("a connection came whose handler has another State")
        }
        let token = unsafe record.connection
        let context = pool.add(
            token, named: unsafe iocp_connection_name(raw, token), key: unsafe record.key, listener: luggage.listener,
            state: luggage.takeState())
        do throws(IOCPError) {
            try handler.migrated(context, from: unsafe Int(record.detail))
        } catch {
            threw(error, in: .migrated, on: context, &handler)
        }
    }
}

import CIOCP

/// One connection, as its handler sees it: what can be sent and asked (``ConnectionContext``), and the user's own state.
///
/// Contexts are reused for later connections unless somebody still holds a reference, so a kept context never turns into
/// another peer's. A `weak` or `unowned` reference does not hold it.
@safe
public final class IocpContext<State>: ConnectionContext {
    /// Nil once closed. `state` alone hands it out, and sees by `stateIsLent` that no two accesses overlap: the dynamic check of
    /// that was 8 % of the user-mode samples of a key-value server. The pool sets it between two handler calls.
    @exclusivity(unchecked) @usableFromInline var uncheckedState: State?
    /// Somebody changes the state right now. Read and written by whole accesses of one thread, so they cannot overlap.
    @exclusivity(unchecked) @usableFromInline var stateIsLent = false

    /// Whose events these are. Written on the worker's thread between two events, read within one, so no two accesses overlap.
    @exclusivity(unchecked) @usableFromInline var uncheckedServer = Server.handler

    /// Who is given a connection's events.
    @usableFromInline
    enum Server { case handler, body, bodyAlone }

    @inlinable
    var server: Server {
        @inline(__always) get { unsafe uncheckedServer }
        set { unsafe uncheckedServer = newValue }
    }

    @usableFromInline
    init(_ worker: Worker, token: iocp_token, name: iocp_token, key: UInt64, listener: UInt16, state: State) {
        unsafe uncheckedState = state
        super.init(worker, token: token, name: name, key: key, listener: listener)
    }

    /// A later connection takes this context over.
    @inlinable
    func reuse(token: iocp_token, name: iocp_token, key: UInt64, listener: UInt16, state: State) {
        rename(token: token, name: name, key: key, listener: listener)
        server = .handler
        lifetimeState = state
    }

    /// For the pool.
    @inlinable
    var lifetimeState: State? {
        get { unsafe uncheckedState }
        set {
            if unsafe stateIsLent { ContextMisuse.overlappingAccesses() }
            unsafe uncheckedState = newValue
        }
    }

    /// The user's own state for this connection, from opening to the end of `closed`. Afterwards there is none, and asking
    /// for it traps: see ``isOpen``. While a call changes a part of it in place, asking for it traps, too, as Swift's law of
    /// exclusivity has it.
    @inlinable
    public var state: State {
        get {
            if unsafe stateIsLent { ContextMisuse.overlappingAccesses() }
            guard let state = unsafe uncheckedState else { ContextMisuse.stateAfterClosed() }
            return state
        }
        _modify {
            if unsafe stateIsLent { ContextMisuse.overlappingAccesses() }
            if unsafe uncheckedState == nil { ContextMisuse.stateAfterClosed() }
            unsafe stateIsLent = true
            defer { unsafe stateIsLent = false }
            yield unsafe &uncheckedState!
        }
    }

    /// Whether the connection's `closed` is still to come. It may be closing all the same: see
    /// ``ConnectionContext/isClosing``.
    public var isOpen: Bool { unsafe stateIsLent || uncheckedState != nil }
}

/// Traps with a name, out of line.
@usableFromInline
enum ContextMisuse {
    @usableFromInline
    static func stateAfterClosed() -> Never {
        fatalError("the state of a connection was asked for after its `closed`: see IocpContext.isOpen")
    }

    @usableFromInline
    static func overlappingAccesses() -> Never {
        fatalError(
            "overlapping accesses to the state of a connection: a call that changes a part of it asked for it again")
    }

    static func workerAfterItsRelease() -> Never {
        fatalError("a kept context was asked for its worker, which was released: keep the worker itself")
    }
}

import CIOCP

/// What one call of `listen` listens on: an endpoint, or every address of a name.
///
/// Every worker of the port accepts from it. Dropping the value changes nothing, and copies name the same listener. It keeps
/// its port, as a context does: where it is kept longer, calls do nothing.
///
/// ```swift
/// let listener = try server.listen(host: "127.0.0.1", port: 0)
/// print("listening on \(listener)")
/// listener.pause()  // clients wait, connections go on
/// listener.resume()
/// listener.close()  // clients are refused, connections go on
/// ```
/// Thread: any, a handler's included.
public struct Listener: Identifiable, Sendable {
    /// Names a listener among those of its port, for tables and for ``Completion/listener``. A name comes back after 65,535
    /// later listeners, and never while its listener has a socket.
    public struct ID: Hashable, Sendable {
        let name: UInt16
    }

    /// Whether clients are accepted, wait, or are refused.
    public enum State: Hashable, Sendable {
        /// Clients are accepted, as far as there are slots for them.
        case listening
        /// Clients connect and wait in the backlog.
        case paused
        /// New clients are refused: ``Listener/close()``, ``CompletionPort/stopListening()``, or the port stops.
        case closed
    }

    let completionPort: CompletionPort
    let known: KnownListener

    /// Its name among the listeners of its port; see ``ID``.
    public var id: ID { ID(name: iocp_listener_short(known.id)) }

    /// The first endpoint in force, with the TCP port that was chosen.
    public var endpoint: Endpoint { known.endpoints[0] }

    /// Everything that it listens on: several for a name with several addresses, which have one TCP port.
    public var endpoints: [Endpoint] { known.endpoints }

    /// The first IP address in force, with the TCP port that was chosen; nil for a Unix socket.
    public var address: SocketAddress? {
        if case .tcp(let address) = endpoint { address } else { nil }
    }

    /// The TCP port in force; 0 for a Unix socket.
    public var port: Int { address?.port ?? 0 }

    /// Whether clients are accepted now. Takes a lock of the port's for a moment. Thread: any.
    public var state: State {
        switch unsafe iocp_port_listener_state(completionPort.raw, known.id) {
        case IOCP_LISTENER_LISTENING: .listening
        case IOCP_LISTENER_PAUSED: .paused
        default: .closed
        }
    }

    /// Accepts no more clients until ``resume()``. They connect all the same and wait in the backlog; nobody is refused, and
    /// connections go on. When the backlog is full, TCP tries again for a client, until it gives up; a Unix socket lets it
    /// wait, or fails with EAGAIN if it does not block.
    ///
    /// Each worker stops accepting when it next waits, so a client may still open shortly afterwards. A worker that attaches
    /// later pauses, too. The backlog of a worker that leaves ends with it, as without a pause: its clients are reset.
    /// Harmless when it pauses already, when it is closed, and when the port has stopped.
    public func pause() {
        _ = unsafe iocp_port_listener_pause(completionPort.raw, known.id)
    }

    /// Accepts clients again, those first that wait. Harmless when it does not pause, when it is closed, and when the port has
    /// stopped.
    public func resume() {
        _ = unsafe iocp_port_listener_resume(completionPort.raw, known.id)
    }

    /// Stops listening for good, and goes on serving the connections that are open.
    ///
    /// When it returns, new clients are refused, even where a worker's handler stalls. Clients that wait in the backlog are
    /// reset, unless the sysctl `net.ipv4.tcp_migrate_req` hands them on; one that was accepted already still opens. The path
    /// of a Unix socket is removed. A socket that was inherited ends for every process that has it.
    /// Harmless when it is closed already.
    public func close() {
        _ = unsafe iocp_port_listener_close(completionPort.raw, known.id)
    }
}

extension Listener: Hashable {
    public static func == (left: Listener, right: Listener) -> Bool {
        left.completionPort === right.completionPort && left.known.id == right.known.id
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(known.id)
    }
}

extension Listener: CustomStringConvertible {
    /// What it listens on: "127.0.0.1:4666", "127.0.0.1:4666 and [::1]:4666", "/run/gateway.sock".
    public var description: String { endpoints.map(\.description).joined(separator: " and ") }
}

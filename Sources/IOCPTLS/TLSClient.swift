import CIOCP
import CIOCPTLS
public import IOCP

/// TLS for the connections that a client, or a server's handler, makes.
///
/// ```swift
/// let tls = try TLSClient()
/// try client.connect(host: "example.org", port: 443, tls: tls)
/// ```
///
/// Servers are verified: the certificate has to be signed by somebody whom the system trusts, and to be for the name. A server
/// that fails that is `connectFailed` with EPROTO and what was wrong. Sessions that servers hand out are kept, so that the
/// next connection to the same name is quick.
///
/// Thread: any.
@safe
public final class TLSClient: Sendable {
    private nonisolated(unsafe) let raw: OpaquePointer
    private let timeout: UInt64

    /// - Throws: EINVAL with what OpenSSL refused.
    public init(_ settings: TLSClientSettings = TLSClientSettings()) throws(IOCPError) {
        unsafe raw = try RawSettings.with(settings) { settings throws(IOCPError) in
            try unsafe RawSettings.context(of: settings, by: iocp_tls_client_create)
        }
        timeout = RawSettings.nanoseconds(settings.agreement.handshakeTimeout)
    }

    deinit { unsafe iocp_tls_release(UnsafeMutableRawPointer(raw)) }

    /// What secures connections to a server.
    /// - Parameters:
    ///   - host: the name, or the numeric address, that the server's certificate must be for.
    ///   - port: distinguishes servers of one name, whose sessions are kept apart.
    /// - Throws: ENOMEM.
    public func security(for host: String, port: Int = 0) throws(IOCPError) -> ConnectionSecurity {
        guard let target = unsafe iocp_tls_target_create(raw, host, UInt16(truncatingIfNeeded: port)) else {
            throw IOCPError(code: 12 /* ENOMEM */, operation: .security)
        }
        return unsafe ConnectionSecurity(
            iocp_layer(
                kind: iocp_tls_client_layer(), context: UnsafeMutableRawPointer(target), begin_timeout_ns: timeout),
            owner: TLSTarget(target))
    }
}

/// Keeps one server's part of a client.
@safe
private final class TLSTarget: Sendable {
    private nonisolated(unsafe) let raw: OpaquePointer

    init(_ raw: OpaquePointer) { unsafe self.raw = raw }

    deinit { unsafe iocp_tls_release(UnsafeMutableRawPointer(raw)) }
}

// MARK: - Connecting

extension Connecting {
    /// Asks a worker to connect to a host with TLS: see `Connecting.connect(host:port:key:timeout:security:onWorker:)`.
    /// - Parameter tls: nil: in the clear.
    @discardableResult
    public func connect(
        host: String, port: Int, tls: TLSClient?, key: UInt64 = 0, timeout: Duration? = nil, onWorker worker: Int = 0
    ) throws(IOCPError) -> ConnectAttempt {
        try connect(
            host: host, port: port, key: key, timeout: timeout, security: tls?.security(for: host, port: port),
            onWorker: worker)
    }

    /// Connects to a host with TLS and has `body` use the connection: see
    /// `Connecting.withConnection(host:port:timeout:security:onWorker:_:)`.
    public func withConnection<Value: Sendable>(
        host: String, port: Int, tls: TLSClient?, timeout: Duration? = nil, onWorker worker: Int = 0,
        _ body: @Sendable (_ worker: isolated WorkerActor, _ connection: AsyncConnection) async throws -> Value
    ) async throws -> Value {
        try await withConnection(
            host: host, port: port, timeout: timeout, security: tls?.security(for: host, port: port), onWorker: worker,
            body)
    }
}

extension WorkerActor {
    /// Connects to a host with TLS: see `WorkerActor.connect(host:port:timeout:security:)`.
    public func connect(
        host: String, port: Int, tls: TLSClient?, timeout: Duration? = nil
    ) async throws(IOCPError) -> AsyncConnection {
        try await connect(
            host: host, port: port, timeout: timeout, security: tls?.security(for: host, port: port))
    }
}

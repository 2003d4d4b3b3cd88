import CIOCP
import CIOCPTLS
public import IOCP

/// TLS for the connections that a server accepts, whatever serves them: a handler, a body, a loop of your own.
///
/// ```swift
/// let tls = try TLSServer(certificateFile: "server.pem", keyFile: "server.key")
/// try server.listen(host: "0.0.0.0", port: 443, options: ListenOptions(tls: tls))
/// ```
///
/// A connection opens once the handshake has ended; what is sent on it, by whichever call, is sealed, and what arrives is
/// opened. One that does not get so far is never seen by a handler, and is counted (`WorkerStats.failedHandshakes`). A close
/// says close_notify first. A peer whose FIN comes without it ends the connection with EBADMSG: what it sent may have been cut.
///
/// One value may serve any number of listeners, servers and workers. Thread: any.
@safe
public final class TLSServer: Sendable {
    private nonisolated(unsafe) let raw: OpaquePointer
    private let timeout: UInt64

    /// - Throws: EINVAL with what OpenSSL refused.
    public init(_ settings: TLSServerSettings) throws(IOCPError) {
        unsafe raw = try RawSettings.with(settings) { settings throws(IOCPError) in
            try unsafe RawSettings.context(of: settings, by: iocp_tls_server_create)
        }
        timeout = RawSettings.nanoseconds(settings.agreement.handshakeTimeout)
    }

    /// With one certificate, and otherwise as ``TLSServerSettings`` begins.
    /// - Throws: EINVAL with the path, or with what OpenSSL refused.
    public convenience init(certificateFile: String, keyFile: String, passphrase: String? = nil) throws(IOCPError) {
        let identity = try TLSIdentity(certificateFile: certificateFile, keyFile: keyFile, passphrase: passphrase)
        try self.init(TLSServerSettings(identities: [identity]))
    }

    deinit { unsafe iocp_tls_release(UnsafeMutableRawPointer(raw)) }

    /// Has connections from now on begin with other certificates, trust and ciphers; those that are open go on. Tickets
    /// stay good, unless other client certificates are trusted or asked for. The application protocols, the time for a
    /// handshake and the number of handshakes stay what they were.
    /// - Throws: EINVAL with what OpenSSL refused: then nothing has changed.
    public func reload(_ settings: TLSServerSettings) throws(IOCPError) {
        try unsafe RawSettings.with(settings) { settings throws(IOCPError) in
            var failure = iocp_tls_failure()
            let result = unsafe withUnsafePointer(to: settings) { unsafe iocp_tls_server_reload(raw, $0, &failure) }
            guard result >= 0 else { throw IOCPError(failure, result) }
        }
    }

    /// Bytes of a key for ``useTicketKeys(_:)``.
    public static let ticketKeyByteCount = Int(IOCP_TLS_TICKET_KEY_BYTES)

    /// Seals tickets with the first of these keys and opens those of all, instead of keys of its own: so that several machines
    /// take each other's tickets. Change them at least once a day.
    /// - Parameter keys: 1 to 8, of 80 random bytes each, as nginx has them.
    /// - Throws: EINVAL for others.
    public func useTicketKeys(_ keys: [[UInt8]]) throws(IOCPError) {
        guard (1...Int(IOCP_TLS_TICKET_KEYS_MAX)).contains(keys.count),
            keys.allSatisfy({ $0.count == TLSServer.ticketKeyByteCount })
        else { throw RawSettings.refused("ticket keys may be 1 to 8, of 80 bytes each") }
        _ = unsafe iocp_tls_server_set_ticket_keys(raw, keys.flatMap(\.self), UInt32(keys.count))
    }

    var security: ConnectionSecurity {
        unsafe ConnectionSecurity(
            iocp_layer(kind: iocp_tls_server_layer(), context: UnsafeMutableRawPointer(raw), begin_timeout_ns: timeout),
            owner: self)
    }
}

extension ListenOptions {
    /// Listens for TLS.
    public init(tls: TLSServer) {
        self.init()
        security = tls.security
    }

    /// TLS of every connection; nil: they are in the clear.
    public var tls: TLSServer? {
        get { security?.owner as? TLSServer }
        set { security = newValue?.security }
    }
}

extension IOCPError {
    /// What OpenSSL refused.
    init(_ failure: iocp_tls_failure, _ result: Int32) {
        var failure = failure
        let words = unsafe withUnsafeBytes(of: &failure.words) { bytes in
            unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        }
        self.init(code: result, operation: .security, detail: words.isEmpty ? nil : words)
    }
}

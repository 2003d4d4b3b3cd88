import CIOCPTLS
public import IOCP

/// What is known of a connection's TLS.
public struct TLSConnection: Hashable, Sendable {
    /// "TLSv1.3" or "TLSv1.2".
    public let version: String
    /// The cipher suite, as OpenSSL calls it.
    public let cipher: String
    /// What ALPN chose; nil if nothing was negotiated.
    public let applicationProtocol: String?
    /// The name that the client asked for (SNI).
    public let serverName: String?
    /// Whether the client came back with a ticket.
    public let isResumed: Bool
}

extension ConnectionContext {
    /// The connection's TLS; nil for one in the clear, and once it is closed. Thread: the worker's.
    public var tls: TLSConnection? {
        var description = unsafe iocp_tls_description()
        guard unsafe iocp_tls_describe(raw, token, &description) == 0 else { return nil }
        let chosen = unsafe UnsafeRawBufferPointer(
            start: description.protocol, count: Int(description.protocol_bytes))
        let name = unsafe String(cString: description.server_name)
        return unsafe TLSConnection(
            version: String(cString: description.version), cipher: String(cString: description.cipher),
            applicationProtocol: chosen.isEmpty ? nil : String(decoding: chosen, as: UTF8.self),
            serverName: name.isEmpty ? nil : name, isResumed: description.is_resumed)
    }

    /// The certificate that the peer showed, which was verified; nil if it showed none. Ask in `opened`, and keep it: it is
    /// copied at each call.
    /// - Throws: ENOTCONN for a connection without TLS, or one that is closed.
    public func peerCertificate() throws(IOCPError) -> TLSCertificate? {
        var start: UnsafeMutablePointer<UInt8>?
        var count = 0
        let result = unsafe iocp_tls_peer_certificate(raw, token, &start, &count)
        guard result >= 0 else { throw IOCPError(code: result, operation: .security) }
        guard let start = unsafe start else { return nil }
        defer { unsafe iocp_tls_free(start) }
        return unsafe TLSCertificate(der: Array(UnsafeBufferPointer(start: start, count: count)))
    }
}

/// A certificate, and whom it is for.
public struct TLSCertificate: Hashable, Sendable {
    /// Its bytes (DER).
    public let der: [UInt8]
    /// As RFC 2253 writes it: "CN=gateway 7,O=Example". Empty where the names below are all there is.
    public let subject: String
    /// The names of subjectAltName.
    public let names: [Name]

    /// A name of subjectAltName, of one of four kinds.
    public enum Name: Hashable, Sendable {
        /// A host's name, which may begin with a wildcard: "*.example.org".
        case dns(String)
        /// Numeric; IPv6 with every group written out.
        case address(String)
        /// Such as a SPIFFE identity.
        case uri(String)
        /// A mailbox.
        case email(String)
    }

    /// - Returns: nil for bytes that are no certificate.
    public init?(der: [UInt8]) {
        guard let text = unsafe iocp_tls_certificate_names(der, der.count) else { return nil }
        defer { unsafe iocp_tls_free(text) }
        let lines = unsafe String(cString: text).split(separator: "\n", omittingEmptySubsequences: false)
        self.der = der
        subject = String(lines[0])
        names = lines.dropFirst().compactMap(Name.init)
    }
}

extension TLSCertificate.Name {
    /// From a line of `iocp_tls_certificate_names`.
    init?(_ line: Substring) {
        guard let colon = line.firstIndex(of: ":") else { return nil }
        let value = String(line[line.index(after: colon)...])
        switch line[..<colon] {
        case "DNS": self = .dns(value)
        case "IP": self = .address(value)
        case "URI": self = .uri(value)
        case "email": self = .email(value)
        default: return nil
        }
    }
}

/// What both sides of TLS have to agree on.
public struct TLSProtocol: Sendable {
    /// A version of TLS.
    public enum Version: Sendable {
        /// TLS 1.2 (RFC 5246).
        case tls12
        /// TLS 1.3 (RFC 8446).
        case tls13
    }

    /// The oldest version that is spoken. Those before TLS 1.2 are not (RFC 8996).
    public var minimumVersion = Version.tls12
    /// The cipher suites of TLS 1.2, as openssl-ciphers(1) writes them; nil: Mozilla's intermediate list, which has forward
    /// secrecy and authenticated encryption alone.
    public var ciphers: String?
    /// The cipher suites of TLS 1.3; nil: likewise.
    public var suites: String?
    /// The groups for the key exchange, the best first; nil: X25519, P-256 and P-384.
    public var groups: String?
    /// Application protocols (ALPN, RFC 7301), the best first: "h2", "http/1.1". A server that has some refuses clients that
    /// offer others alone.
    public var applicationProtocols: [String] = []
    /// How long a peer may take for the handshake: more than zero and at most one day.
    public var handshakeTimeout = Duration.seconds(10)
    /// Appends the secrets of every connection to this file, in the format that Wireshark reads. Whoever has the file reads
    /// everything: for debugging alone.
    public var keyLogFile: String?

    /// The defaults, which every property names.
    public init() {}
}

/// What a server's TLS is to be like.
public struct TLSServerSettings: Sendable {
    /// Which one a client is shown is chosen by the name that it asks for (SNI) and the names in the certificates; the first
    /// one where none fits. Two for the same names with keys of different kinds (ECDSA and RSA) serve as one.
    public var identities: [TLSIdentity]
    /// The versions, ciphers and protocols that both sides have to agree on.
    public var agreement = TLSProtocol()
    /// Whether clients have to show a certificate; see `peerCertificate()` of a connection.
    public var clientCertificates = ClientCertificates.none
    /// Whether clients may come back without a full handshake (session tickets), for how long: 1 s to 7 days; nil: no. The keys
    /// are shared by all workers and change as often.
    public var ticketLifetime: Duration? = .seconds(3_600 * 12)
    /// Handshakes at a time, of all workers: clients beyond it are refused. 1 or more; nil: no limit.
    public var handshakesMax: Int? = 10_000

    /// Whether clients show certificates, and which are good.
    public enum ClientCertificates: Sendable {
        /// Clients are asked for none.
        case none
        /// One that a client shows has to be signed by one of these.
        case optional(TLSTrust)
        /// Each client has to show one that is signed by one of these; otherwise its handshake fails.
        case required(TLSTrust)
    }

    /// Settings with their defaults.
    /// - Parameter identities: at least one.
    public init(identities: [TLSIdentity]) { self.identities = identities }
}

/// What a client's TLS is to be like.
public struct TLSClientSettings: Sendable {
    /// The versions, ciphers and protocols that both sides have to agree on.
    public var agreement = TLSProtocol()
    /// How servers are verified.
    public var verification = Verification.trust(.system)
    /// Shown to servers that ask for one.
    public var identity: TLSIdentity?

    /// How a server's certificate is verified.
    public enum Verification: Sendable {
        /// The certificate has to be signed by one of these, and be for the name that was connected to.
        case trust(TLSTrust)
        /// Nothing is verified: whoever answers is believed. For tests alone.
        case none
    }

    /// The defaults: the system's certificates are trusted, and the client shows none.
    public init() {}
}

public import IOCP

/// A certificate, the certificates that vouch for it, and its key.
public struct TLSIdentity: Sendable {
    /// PEM: the certificate itself first, then each that signed the one before it; the root may be missing.
    public var certificates: [UInt8]
    /// PEM, of any kind of key that OpenSSL knows.
    public var key: [UInt8]
    /// Of an encrypted key.
    public var passphrase: String?
    /// What errors call it.
    let name: String

    /// From text of PEM.
    public init(certificates: [UInt8], key: [UInt8], passphrase: String? = nil) {
        self.init(certificates: certificates, key: key, passphrase: passphrase, name: "certificate")
    }

    /// From PEM files, which are read now.
    /// - Throws: what the system refused, with the path.
    public init(certificateFile: String, keyFile: String, passphrase: String? = nil) throws(IOCPError) {
        self.init(
            certificates: try PEMFile.bytes(of: certificateFile), key: try PEMFile.bytes(of: keyFile),
            passphrase: passphrase, name: certificateFile)
    }

    private init(certificates: [UInt8], key: [UInt8], passphrase: String?, name: String) {
        (self.certificates, self.key, self.passphrase, self.name) = (certificates, key, passphrase, name)
    }
}

/// Whose signature makes a peer's certificate good.
public struct TLSTrust: Sendable {
    /// Whether the certificates do that which the system trusts (`/etc/ssl/certs`).
    public var includesSystem: Bool
    /// Others, as text of PEM; may be empty.
    public var certificates: [UInt8]

    /// What the system trusts.
    public static var system: TLSTrust { TLSTrust(includesSystem: true, certificates: []) }

    /// Certificates of your own alone.
    public static func certificates(_ pem: [UInt8]) -> TLSTrust { TLSTrust(includesSystem: false, certificates: pem) }

    /// Certificates of a PEM file alone, which is read now.
    /// - Throws: what the system refused, with the path.
    public static func file(_ path: String) throws(IOCPError) -> TLSTrust {
        .certificates(try PEMFile.bytes(of: path))
    }

    /// - Parameters:
    ///   - includesSystem: whether the certificates count that the system trusts.
    ///   - certificates: others, as text of PEM; may be empty.
    public init(includesSystem: Bool, certificates: [UInt8]) {
        (self.includesSystem, self.certificates) = (includesSystem, certificates)
    }
}

#if Service && TLS
public import IOCP
public import IOCPTLS

/// TLS of a service by the files that an operator names. They are read when the service starts, and again when it is asked to
/// reload.
public struct TLSFiles: Sendable {
    /// Certificate chains and their keys (PEM), in pairs: see `TLSServerSettings.identities`.
    public var certificateFiles: [String] = []
    /// The keys (PEM), in the order of ``certificateFiles``.
    public var keyFiles: [String] = []
    /// Of the keys that are encrypted.
    public var passphrase: String?
    /// Who signs the certificates of clients (PEM).
    public var clientAuthorityFile: String?
    /// Whether clients have to show one; otherwise one that is shown has to be good.
    public var requiresClientCertificates = false
    /// Everything else. Its `identities` and `clientCertificates` come from the files.
    public var settings = TLSServerSettings(identities: [])

    /// No files: name at least one pair before ``read()``.
    public init() {}

    /// Reads the files.
    /// - Throws: EINVAL with the path, or with what does not fit.
    public func read() throws(IOCPError) -> TLSServerSettings {
        guard certificateFiles.count == keyFiles.count, !certificateFiles.isEmpty else {
            throw IOCPError(
                code: 22 /* EINVAL */, operation: .security,
                detail: "\(certificateFiles.count) certificates and \(keyFiles.count) keys: they come in pairs")
        }
        var settings = settings
        for (certificate, key) in zip(certificateFiles, keyFiles) {
            settings.identities.append(
                try TLSIdentity(certificateFile: certificate, keyFile: key, passphrase: passphrase))
        }
        if let clientAuthorityFile {
            let trust = try TLSTrust.file(clientAuthorityFile)
            settings.clientCertificates = requiresClientCertificates ? .required(trust) : .optional(trust)
        } else if requiresClientCertificates {
            throw IOCPError(
                code: 22 /* EINVAL */, operation: .security,
                detail: "client certificates are required, and no file says who signs them")
        }
        return settings
    }
}

/// Without the passphrase: what holds these settings may be logged whole, as a `ServiceGroup` logs its services.
extension TLSFiles: CustomStringConvertible, CustomReflectable {
    public var description: String { "TLSFiles(\(certificateFiles.joined(separator: ", ")))" }

    public var customMirror: Mirror { Mirror(self, children: ["certificateFiles": certificateFiles]) }
}
#endif

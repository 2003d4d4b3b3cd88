#if Service && TLS
import IOCP
import IOCPTLS

extension Setting {
    /// TLS is spoken where a certificate is named.
    static let tls: [Setting] = [certificates] + belowCertificates.map { $0.needing(certificates.key) }

    private static let certificates = list(
        "tls.certificateFiles", \.files.certificateFiles,
        "Certificate chains (PEM), for TLS; several for several names.")

    private static let belowCertificates: [Setting] = [
        .list("tls.keyFiles", \.files.keyFiles, "Their keys (PEM), in the same order."),
        secret("tls.passphrase", \.files.passphrase, "Of keys that are encrypted."),
        .text(
            "tls.clientAuthorityFile", \.files.clientAuthorityFile, none: "none",
            "Who signs the certificates of clients (PEM): one that a client shows has to be good."),
        .flag(
            "tls.requiresClientCertificates", \.files.requiresClientCertificates, "Whether clients have to show one."),
        .word(
            "tls.minimumVersion", \.files.settings.agreement.minimumVersion, [("1.2", .tls12), ("1.3", .tls13)],
            "The oldest version of TLS that is spoken."),
        .text(
            "tls.ciphers", \.files.settings.agreement.ciphers, none: "default",
            "Cipher suites of TLS 1.2, as openssl-ciphers(1) writes them; default: Mozilla's intermediate list."),
        .text("tls.suites", \.files.settings.agreement.suites, none: "default", "Cipher suites of TLS 1.3."),
        .text("tls.groups", \.files.settings.agreement.groups, none: "default", "Groups for the key exchange."),
        .list(
            "tls.applicationProtocols", \.files.settings.agreement.applicationProtocols,
            "ALPN, the best first: h2, http/1.1."),
        .time(
            "tls.handshakeTimeout", \.files.settings.agreement.handshakeTimeout,
            "How long a peer may take for the handshake: more than zero, at most 1d."),
        .number(
            "tls.handshakesMax", \.files.settings.handshakesMax, none: "unlimited",
            "Handshakes at a time, of all workers: clients beyond it are refused."),
        .time(
            "tls.ticketLifetime", \.files.settings.ticketLifetime, none: "none",
            "How long clients may come back without a full handshake: 1s to 7d."),
        .text(
            "tls.keyLogFile", \.files.settings.agreement.keyLogFile, none: "none",
            "Where the secrets of every connection are appended, for Wireshark: for debugging alone."),
    ]

    private static func secret(_ key: String, _ place: Place<String?>, _ summary: String) -> Setting {
        var setting = text(key, place, none: "none", summary)
        setting.isSecret = true
        return setting
    }
}

extension ServiceSettings {
    /// Something is set of it, so there is one; a certificate is asked for when it is read.
    fileprivate var files: TLSFiles {
        get { tls ?? TLSFiles() }
        set { tls = newValue }
    }
}
#endif

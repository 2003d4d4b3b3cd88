#if Command
import ArgumentParser
import IOCP

#if TLS
import IOCPTLS
#endif

/// TLS of `iocp stress`.
struct ClientTLSOptions: ParsableArguments {
    @Flag(
        help: "Speak TLS. The server's certificate must be for --host, and signed by somebody whom the system trusts.")
    var tls = false

    @Option(
        help: ArgumentHelp("Speak TLS, and trust the certificates in this PEM file instead.", valueName: "file"))
    var tlsCa: String?

    @Flag(help: "Speak TLS, and believe whoever answers.")
    var tlsInsecure = false

    func validate() throws {
        if tlsCa != nil, tlsInsecure { throw ValidationError("--tls-ca and --tls-insecure exclude each other") }
        #if !TLS
        if isOn { throw ValidationError(WithoutTLS.words) }
        #endif
    }

    private var isOn: Bool { tls || tlsCa != nil || tlsInsecure }

    /// What secures connections to the host; nil for none.
    func security(for host: String) throws -> ConnectionSecurity? {
        #if TLS
        guard isOn else { return nil }
        do throws(IOCPError) {
            var settings = TLSClientSettings()
            if let tlsCa { settings.verification = .trust(try .file(tlsCa)) }
            if tlsInsecure { settings.verification = .none }
            return try TLSClient(settings).security(for: host)
        } catch {
            throw CommandFailure("\(error)")
        }
        #else
        return nil
        #endif
    }
}
#endif

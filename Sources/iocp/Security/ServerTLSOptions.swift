#if Command
import ArgumentParser
import IOCP

#if TLS
import IOCPTLS
#endif

/// TLS of `iocp serve`.
struct ServerTLSOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Serve TLS: a PEM file with the certificate and those that vouch for it.", valueName: "file")
    )
    var tlsCertificate: String?

    @Option(help: ArgumentHelp("The certificate's key, a PEM file that is not encrypted.", valueName: "file"))
    var tlsKey: String?

    @Option(
        help: ArgumentHelp("Clients show a certificate that one in this PEM file has signed.", valueName: "file"))
    var tlsClientCa: String?

    func validate() throws {
        guard (tlsCertificate == nil) == (tlsKey == nil) else {
            throw ValidationError("--tls-certificate and --tls-key go together")
        }
        if tlsClientCa != nil, tlsCertificate == nil {
            throw ValidationError("--tls-client-ca is there for TLS alone: give --tls-certificate and --tls-key")
        }
        #if !TLS
        if tlsCertificate != nil { throw ValidationError(WithoutTLS.words) }
        #endif
    }

    /// How to listen.
    func listenOptions() throws -> ListenOptions {
        #if TLS
        guard let tlsCertificate, let tlsKey else { return ListenOptions() }
        do throws(IOCPError) {
            var settings = TLSServerSettings(
                identities: [try TLSIdentity(certificateFile: tlsCertificate, keyFile: tlsKey)])
            if let tlsClientCa { settings.clientCertificates = .required(try .file(tlsClientCa)) }
            return ListenOptions(tls: try TLSServer(settings))
        } catch {
            throw CommandFailure("\(error)")
        }
        #else
        return ListenOptions()
        #endif
    }
}
#endif

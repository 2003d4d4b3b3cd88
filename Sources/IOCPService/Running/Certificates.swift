#if Service
import IOCP

#if TLS
import IOCPTLS

/// TLS of a service's listeners, if there is any.
struct Certificates: Sendable {
    private let files: TLSFiles?
    private let server: TLSServer?

    init(_ settings: ServiceSettings) throws(IOCPError) {
        files = settings.tls
        server = try settings.tls.map { files throws(IOCPError) in try TLSServer(try files.read()) }
    }

    func apply(to options: inout ListenOptions) {
        if let server { options.tls = server }
    }

    /// Reads the files again. Where they are wrong, nothing changes.
    func reload() throws(IOCPError) {
        if let files { try server?.reload(try files.read()) }
    }
}
#else
struct Certificates: Sendable {
    init(_ settings: ServiceSettings) throws(IOCPError) {}
    func apply(to options: inout ListenOptions) {}
    func reload() throws(IOCPError) {}
}
#endif
#endif

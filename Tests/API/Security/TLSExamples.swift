import IOCP
import IOCPTLS

/// The parts of programs in the comments of IOCPTLS; built, and run by hand.
private func serverExample(_ server: IOCPServer<BodyHandler>) throws {
    let tls = try TLSServer(certificateFile: "server.pem", keyFile: "server.key")
    try server.listen(host: "0.0.0.0", port: 443, options: ListenOptions(tls: tls))
}

private func clientExample(_ client: IOCPClient<BodyHandler>) throws {
    let tls = try TLSClient()
    try client.connect(host: "example.org", port: 443, tls: tls)
}

import IOCP
import IOCPTLS

/// The parts of programs in `docs/TLS.md` and in the comments of IOCPTLS.
private func serverExample(_ server: IOCPServer<BodyHandler>) throws {
    let tls = try TLSServer(certificateFile: "server.pem", keyFile: "server.key")
    try server.listen(host: "0.0.0.0", port: 443, options: ListenOptions(tls: tls))
}

private func settingsExample() throws -> TLSServer {
    var settings = TLSServerSettings(identities: [
        try TLSIdentity(certificateFile: "example.org.pem", keyFile: "example.org.key"),
        try TLSIdentity(certificateFile: "example.net.pem", keyFile: "example.net.key", passphrase: "secret"),
    ])
    settings.agreement.applicationProtocols = ["h2", "http/1.1"]
    settings.agreement.handshakeTimeout = .seconds(5)
    settings.clientCertificates = .required(try .file("devices-ca.pem"))
    return try TLSServer(settings)
}

private func peerExample(_ connection: IocpContext<Void>) throws(IOCPError) {
    guard let device = try connection.peerCertificate() else { return connection.abort() }
    print("\(device.subject) speaks \(connection.tls?.applicationProtocol ?? "nothing in particular")")
}

private func reloadExample(_ tls: TLSServer) throws {
    try tls.reload(
        TLSServerSettings(identities: [try TLSIdentity(certificateFile: "server.pem", keyFile: "server.key")]))
}

private func clientSettingsExample() throws -> TLSClient {
    var settings = TLSClientSettings()
    settings.verification = .trust(try .file("own-ca.pem"))
    settings.identity = try TLSIdentity(certificateFile: "device.pem", keyFile: "device.key")
    let tls = try TLSClient(settings)
    return tls
}

private func clientExample(_ client: IOCPClient<BodyHandler>) throws {
    let tls = try TLSClient()
    try client.connect(host: "example.org", port: 443, tls: tls)
}

private func asyncClientExample() async throws {
    let client = try IOCPClient()
    let tls = try TLSClient()
    let greeting = try await client.withConnection(host: "example.org", port: 563, tls: tls) { worker, connection in
        try await connection.line()
    }
    print(greeting ?? "no greeting")
}

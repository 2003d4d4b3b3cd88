import IOCP

// The examples in docs/OBSERVING.md, line for line: `DocumentedCode` looks for it here.

private func metricsExample(_ server: IOCPServer<BodyHandler>) throws {
    let metrics = try server.port.serveMetrics(on: SocketAddress(host: "127.0.0.1", port: 9464))
    try server.wait()
    metrics.close()
}

private func adminExample(_ server: IOCPServer<BodyHandler>) throws {
    let admin = try server.port.serveAdmin(at: UnixAddress(path: "/run/gateway.admin"))
    try server.wait()
    admin.close()
}

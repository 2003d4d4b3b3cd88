import ChildProcesses
import Foundation
import IOCP
import IOCPTLS
import Testing

/// Keys and certificates of these tests, made by openssl(1) once for all of them.
struct Certificates: Sendable {
    let folder: URL

    static let shared = Result { try Certificates() }
    static func all() throws -> Certificates { try shared.get() }

    func path(_ name: String) -> String { folder.appending(path: name).path }

    func identity(_ name: String) throws -> TLSIdentity {
        try TLSIdentity(certificateFile: path(name + ".pem"), keyFile: path(name + ".key"))
    }

    var trust: TLSTrust { get throws { try .file(path("ca.pem")) } }

    private init() throws {
        folder = FileManager.default.temporaryDirectory.appending(
            path: "iocp-tls-\(ProcessInfo.processInfo.processIdentifier)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try authority("ca", "/CN=Test CA")
        try authority("other-ca", "/CN=Another CA")
        try leaf("server", "/CN=localhost", ["DNS:localhost", "IP:127.0.0.1"])
        try leaf(
            "server-rsa", "/CN=localhost", ["DNS:localhost", "IP:127.0.0.1"],
            key: ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
        try leaf("wildcard", "/CN=example.test", ["DNS:*.example.test", "DNS:example.test"])
        try leaf("expired", "/CN=localhost", ["DNS:localhost", "IP:127.0.0.1"], days: -1)
        try leaf("stranger", "/CN=localhost", ["DNS:localhost", "IP:127.0.0.1"], by: "other-ca")
        try leaf(
            "client", "/O=Example/CN=device 7",
            ["DNS:device-7.example.test", "URI:spiffe://example.test/device/7", "IP:192.0.2.7", "email:a@example.test"])
        try leaf("strange-client", "/CN=device 8", ["DNS:device-8.example.test"], by: "other-ca")
        try openSSL([
            "pkey", "-in", path("server.key"), "-aes256", "-passout", "pass:secret", "-out", path("encrypted.key"),
        ])
        atexit { try? FileManager.default.removeItem(at: try! Certificates.all().folder) }
    }

    private static let curve = ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"]

    private func authority(_ name: String, _ subject: String) throws {
        try openSSL(["genpkey", "-algorithm"] + Self.curve + ["-out", path(name + ".key")])
        try openSSL([
            "req", "-x509", "-key", path(name + ".key"), "-out", path(name + ".pem"), "-days", "30", "-subj", subject,
        ])
    }

    private func leaf(
        _ name: String, _ subject: String, _ names: [String], key: [String] = curve, by authority: String = "ca",
        days: Int = 30
    ) throws {
        try openSSL(["genpkey", "-algorithm"] + key + ["-out", path(name + ".key")])
        try openSSL(["req", "-new", "-key", path(name + ".key"), "-out", path(name + ".csr"), "-subj", subject])
        try ("subjectAltName=" + names.joined(separator: ",") + "\n").write(
            toFile: path(name + ".ext"), atomically: false, encoding: .utf8)
        try openSSL([
            "x509", "-req", "-in", path(name + ".csr"), "-CA", path(authority + ".pem"), "-CAkey",
            path(authority + ".key"),
            "-CAcreateserial", "-out", path(name + ".pem"), "-days", "\(days)", "-extfile", path(name + ".ext"),
        ])
    }

    @discardableResult
    func openSSL(_ arguments: [String]) throws -> String {
        let process = try ChildProcess("/usr/bin/openssl", arguments)
        let status = try process.end()
        try #require(status == 0, "openssl \(arguments[0]): \(process.text(of: .errors))")
        return process.text(of: .output)
    }

    /// What `openssl s_client` says of a server, with its exit status. It sends `input` and waits for the end, or for a second.
    func client(_ port: Int, _ arguments: [String], sends input: String = "") throws -> (text: String, status: Int32) {
        let words =
            ["/usr/bin/openssl", "s_client", "-connect", "127.0.0.1:\(port)", "-CAfile", path("ca.pem")] + arguments
        let quoted = words.map { "'\($0)'" }.joined(separator: " ")
        let feed = input.isEmpty ? "sleep 0.3" : "printf '%s' '\(input)'; sleep 0.5"
        let process = try ChildProcess("/bin/sh", ["-c", "(\(feed)) | timeout 10 \(quoted) 2>&1"])
        let status = try process.end()
        return (process.text(of: .output), status)
    }
}

/// A server as the other tests have it, with one more listener, for TLS.
func withTLS(
    _ driver: Driver, _ change: (inout PortConfiguration) -> Void = { _ in }, _ behaviour: Behaviour = Behaviour(),
    settings changeSettings: (inout TLSServerSettings) throws -> Void = { _ in }, drainingFor drain: Duration = .zero,
    sourceLocation: SourceLocation = #_sourceLocation,
    use: (AuditedServer, Int, Ledger, TLSServer) async throws -> Void
) async throws {
    var settings = TLSServerSettings(identities: [try Certificates.all().identity("server")])
    try changeSettings(&settings)
    let tls = try TLSServer(settings)
    try await withServer(driver, change, behaviour, drainingFor: drain, sourceLocation: sourceLocation) {
        server, _, ledger in
        let port = try server.listen(host: "127.0.0.1", port: 0, options: ListenOptions(tls: tls)).port
        try await use(server, port, ledger, tls)
    }
}

/// A client that trusts the tests' authority.
func testClient(_ change: (inout TLSClientSettings) throws -> Void = { _ in }) throws -> TLSClient {
    var settings = TLSClientSettings()
    settings.verification = .trust(try Certificates.all().trust)
    try change(&settings)
    return try TLSClient(settings)
}

/// Uses one connection of such a client.
func withTLSClient<Value: Sendable>(
    of port: Int,
    _ body: @Sendable (_ worker: isolated WorkerActor, _ connection: AsyncConnection) async throws -> Value
) async throws -> Value {
    let client = try IOCPClient()
    let value = try await client.withConnection(host: "127.0.0.1", port: port, tls: testClient(), body)
    client.stop()
    try await client.wait()
    return value
}

extension CompletionPort {
    /// What all workers have counted.
    func total(_ field: KeyPath<WorkerStats, UInt64>) -> UInt64 {
        (0..<workerCount).reduce(0) { $0 + stats(ofWorker: $1)[keyPath: field] }
    }
}

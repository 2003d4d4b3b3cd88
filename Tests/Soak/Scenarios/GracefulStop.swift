#if Command
import ArgumentParser
import ChildProcesses
import Foundation
import IOCP
import IOCPTLS
import Synchronization

struct GracefulStop: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "graceful-stop",
        abstract: "A stop under full load loses no request that a client has made (G7).",
        discussion: """
            A client that counts keeps one request outstanding on each of its connections, as fast as they are answered. \
            Then the server stops: it answers the next request of each connection with its last answer, and closes. Every \
            request must have its answer. Played four times: by callbacks and by bodies, in the clear and over TLS. With \
            --service it is played with a program that speaks the same protocol, as Examples/Sources/orders does, and is \
            stopped by SIGTERM.
            """)

    @OptionGroup var options: ScenarioOptions
    @Option(help: "Connections of the client.") var connections = 200
    @Option(help: "Requests per second that have to be under way.") var least = 20_000
    @Option(help: "Seconds of load before the stop.") var seconds = 1.5
    @Option(help: "Seconds within which the stop has to end.") var drain = 5.0
    @Option(help: "A program of IOCPService to be stopped, instead of a server in this process.") var service: String?

    func run() throws {
        var verdict = Verdict("graceful-stop \(options.driver)")
        let certificate = try Certificate()
        if let service {
            for tls in [nil, certificate] { try play(URL(filePath: service).path, tls, &verdict) }
            return try verdict.report()
        }
        for byBodies in [false, true] {
            for tls in [nil, certificate] {
                try play(byBodies, tls, &verdict)
            }
        }
        try verdict.report()
    }

    private func play(_ byBodies: Bool, _ certificate: Certificate?, _ verdict: inout Verdict) throws {
        let form = (byBodies ? "bodies" : "callbacks") + (certificate == nil ? "" : " over TLS")
        var configuration = PortConfiguration()
        configuration.driver = options.driver
        configuration.workers = 1
        let listening = try certificate.map { ListenOptions(tls: try $0.server()) } ?? ListenOptions()
        if byBodies {
            let server = try IOCPServer(configuration, body: GracefulStop.body)
            try load(server, listening, certificate, form, &verdict)
        } else {
            let server = try IOCPServer(configuration) { _ in Answering() }
            try load(server, listening, certificate, form, &verdict)
        }
    }

    private func load<Handler>(
        _ server: IOCPServer<Handler>, _ listening: ListenOptions, _ certificate: Certificate?, _ form: String,
        _ verdict: inout Verdict
    ) throws {
        let listener = try server.listen(host: "127.0.0.1", port: 0, options: listening)
        try load(listener.address!, certificate, form, &verdict) {
            server.stop(drainingFor: .seconds(drain))
            try server.wait()
        }
    }

    /// A service in a process of its own.
    private func play(_ service: String, _ certificate: Certificate?, _ verdict: inout Verdict) throws {
        let process = try ChildProcess(
            service,
            [
                "--iocp-driver", "\(options.driver)", "--iocp-workers", "1", "--iocp-listen-addresses", "127.0.0.1:0",
                "--iocp-drain", "\(Int(drain * 1_000))ms",
            ] + (certificate?.arguments ?? []))
        let told = try process.text(of: .errors, containing: "] listening\n", within: .seconds(10))
        guard let name = told.firstMatch(of: /listener=127.0.0.1:(\d+)/)?.1, let port = Int(name) else {
            throw Failure("\(service) did not say where it listens: \(told)")
        }
        let form = URL(filePath: service).lastPathComponent + (certificate == nil ? "" : " over TLS")
        try load(SocketAddress(host: "127.0.0.1", port: port), certificate, form, &verdict) {
            process.signal(SIGTERM)
            let status = try process.end(within: .seconds(drain + 5))
            guard status == 0 else { throw Failure("\(service) ended with \(status): \(process.text(of: .errors))") }
        }
    }

    /// Loads what answers at an address, and stops it.
    private func load(
        _ address: SocketAddress, _ certificate: Certificate?, _ form: String, _ verdict: inout Verdict,
        stop: () throws -> Void
    ) throws {
        let tally = Tally()
        var configuration = PortConfiguration()
        configuration.workers = 1
        let client = try IOCPClient(configuration) { _ in Asking(tally: tally) }
        let security = try certificate?.client().security(for: "localhost")
        for _ in 0..<connections { try client.connect(to: address, security: security) }
        guard wait(within: .seconds(10), until: { tally.opened.load(ordering: .relaxed) == connections }) != nil else {
            throw Failure("only \(tally.opened.load(ordering: .relaxed)) of \(connections) connections opened")
        }
        let before = tally.answered.load(ordering: .relaxed)
        Thread.sleep(forTimeInterval: seconds)
        let count = tally.answered.load(ordering: .relaxed) - before
        let start = ContinuousClock.now
        try stop()
        let took = ContinuousClock.now - start
        guard wait(within: .seconds(5), until: { tally.closed.load(ordering: .relaxed) == connections }) != nil else {
            throw Failure("only \(tally.closed.load(ordering: .relaxed)) of \(connections) connections closed")
        }
        client.stop()
        try client.wait()
        let (asked, answered) = (tally.asked.load(ordering: .relaxed), tally.answered.load(ordering: .relaxed))
        verdict.require(asked == answered, "\(asked - answered) of \(asked) requests were lost by \(form)")
        verdict.require(took < .seconds(drain), "the stop took its whole drain by \(form)")
        let rate = Double(count) / seconds
        // Sealing and opening at both ends take the machine of two cores, of which one is the client's.
        verdict.require(rate >= Double(least), "only \(Int(rate)) requests per second were under way by \(form)")
        verdict.add("\(form): \(Int(rate)) requests/s, \(asked - answered) lost, stopped in \(took.text)")
    }
}

// MARK: - The server

private enum Message {
    static let requestBytes = 8
    static let answerBytes = 9
}

/// Answers each request with its bytes, and whether it is the last answer.
private struct Answering: ConnectionHandler, Handles.Stopping {
    struct Client {
        var frames = FrameBuffer(FixedSize(Message.requestBytes))
        var isLast = false
    }

    func makeState() -> Client { Client() }

    func received(_ bytes: RawSpan, on client: IocpContext<Client>) throws(IOCPError) {
        var input = bytes
        while let request = try client.state.frames.next(in: &input) {
            let isLast = client.state.isLast
            let mark: [UInt8] = [isLast ? 1 : 0]
            try client.send(request.bytes, mark.span.bytes)
            if isLast { return client.close() }
        }
    }

    /// The next request of each is its last.
    func stopping(_ connections: borrowing ConnectionPool<Client>, on worker: Worker) throws(IOCPError) {
        connections.forEach { client in
            client.state.isLast = true
            try? client.setOutlastsStop(true)
        }
    }
}

extension GracefulStop {
    fileprivate static let body: ConnectionBody = { _, connection in
        connection.readsPastStop = .seconds(5)
        while var answer = try await connection.readExactly(Message.requestBytes) {
            let isLast = connection.isStopping
            answer.append(isLast ? 1 : 0)
            try await connection.send(answer)
            if isLast { return }
        }
    }
}

// MARK: - The client

private final class Tally: Sendable {
    let opened = Atomic(0), closed = Atomic(0)
    let asked = Atomic(0), answered = Atomic(0)
}

private struct Asking: ConnectionHandler, Handles.Opened, Handles.Closed {
    struct Server {
        var frames = FrameBuffer(FixedSize(Message.answerBytes))
        var number: UInt64 = 0
    }

    let tally: Tally

    func makeState() -> Server { Server() }

    func opened(_ server: IocpContext<Server>) throws(IOCPError) {
        tally.opened.add(1, ordering: .relaxed)
        try ask(server)
    }

    private func ask(_ server: IocpContext<Server>) throws(IOCPError) {
        server.state.number += 1
        let number = server.state.number
        try server.send(capacity: Message.requestBytes) { output in output.append(bigEndian: number) }
        tally.asked.add(1, ordering: .relaxed)
    }

    func received(_ bytes: RawSpan, on server: IocpContext<Server>) throws(IOCPError) {
        var input = bytes
        while let answer = try server.state.frames.next(in: &input) {
            guard answer.bytes.bigEndian(UInt64.self, at: 0) == server.state.number else { return server.abort() }
            tally.answered.add(1, ordering: .relaxed)
            if answer.bytes.byte(at: Message.requestBytes) == 1 { return server.close() }
            try ask(server)
        }
    }

    func closed(_ server: IocpContext<Server>, reason: CloseReason) {
        tally.closed.add(1, ordering: .relaxed)
    }
}

/// A self-signed one for localhost, made by openssl(1).
private struct Certificate {
    private let folder: URL
    private var certificate: String { folder.appending(path: "certificate.pem").path }
    private var key: String { folder.appending(path: "key.pem").path }

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "iocp-soak-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let process = try ChildProcess(
            "/usr/bin/openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", certificate, "-keyout", key,
            ])
        guard try process.end() == 0 else { throw Failure("openssl: \(process.text(of: .errors))") }
    }

    /// For a program of IOCPService.
    var arguments: [String] { ["--iocp-tls-certificate-files", certificate, "--iocp-tls-key-files", key] }

    func server() throws -> TLSServer { try TLSServer(certificateFile: certificate, keyFile: key) }

    func client() throws -> TLSClient {
        var settings = TLSClientSettings()
        settings.verification = .trust(try .file(certificate))
        return try TLSClient(settings)
    }
}
#endif

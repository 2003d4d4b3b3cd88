#if Service
import Configuration
import IOCP
import IOCPService
import Logging
import ServiceLifecycle
import Testing
import Tracing

/// The parts of programs in `docs/SERVICE.md` and in the comments of IOCPService, line for line: `DocumentedCode` looks for each of
/// them here.
private func serviceExample() async throws {
    let settings = try await SettingsSources().settings()
    let logger = Logger(label: "orders")
    let errors = ErrorLog(logger)
    let server = try IOCPServer(settings.port, onError: errors.record) { worker, connection in
        while let order = try await connection.line() { try await connection.send("\(order) was taken\n") }
    }
    let service = PortService(server, settings, logger: logger)
    try await ServiceGroup(
        services: [service], gracefulShutdownSignals: [.sigterm], cancellationSignals: [.sigint], logger: logger
    ).run()
}

private struct Orders: ConnectionHandler {
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {}
}

private func settingsExample() async throws -> IOCPServer<Orders> {
    let sources = try await SettingsSources()
    let settings = try sources.settings()
    let server = try IOCPServer(settings.port) { _ in Orders() }
    return server
}

private func ownSettingsExample() async throws -> String {
    let sources = try await SettingsSources()
    let settings = try sources.settings()
    let greeting = sources.reader.string(forKey: "greeting", default: "hello")  // --greeting, GREETING, {"greeting": ...}
    return "\(greeting) \(settings.drain)"
}

private func readerExample() throws -> ServiceSettings {
    let reader = ConfigReader(provider: EnvironmentVariablesProvider())
    let settings = try ServiceSettings(reader)  // IOCP_WORKERS, IOCP_LISTEN_ADDRESSES, ...
    return settings
}

private func errorsExample(_ settings: ServiceSettings, _ logger: Logger) throws -> IOCPServer<BodyHandler> {
    let errors = ErrorLog(logger)
    let server = try IOCPServer(settings.port, onError: errors.record) { worker, connection in
        while let line = try await connection.line() { try await connection.send(line + "\n") }
    }
    return server
}

private let lastOrders: ConnectionBody = { worker, connection in
    connection.readsPastStop = .seconds(5)
    while let order = try await connection.line() {
        let isLast = connection.isStopping
        try await connection.send("\(order) was taken\(isLast ? ", and is the last" : "")\n")
        if isLast { return }
    }
}

private struct LastOrders: ConnectionHandler, Handles.Stopping {
    typealias State = FrameBuffer<Lines>

    func makeState() -> State { FrameBuffer(Lines()) }

    func stopping(_ connections: borrowing ConnectionPool<State>, on worker: Worker) throws(IOCPError) {
        connections.forEach { client in try? client.setOutlastsStop(true) }
    }

    func received(_ bytes: RawSpan, on client: IocpContext<State>) throws(IOCPError) {
        var input = bytes
        while let order = try client.state.next(in: &input) {
            try client.send { parts throws(IOCPError) in
                try parts.append(order.bytes)
                try parts.append(client.isStopping ? " was taken, and is the last\n" : " was taken\n")
            }
            if client.isStopping { return client.close() }
        }
    }
}

private struct Told: ConnectionHandler, Handles.Opened, Handles.Closed {
    struct Client { var identity: ConnectionIdentity? }
    let errors: ErrorLog

    func makeState() -> Client { Client() }

    func opened(_ client: IocpContext<Client>) throws(IOCPError) { client.state.identity = ConnectionIdentity(client) }

    func closed(_ client: IocpContext<Client>, reason: CloseReason) {
        if case .handlerThrew(let error) = reason { errors.record(error, of: client.state.identity) }
    }

    func received(_ bytes: RawSpan, on client: IocpContext<Client>) throws(IOCPError) {
        throw IOCPError(code: 22, detail: "no order")
    }
}

extension Services {
    @Suite struct Examples {
        /// What a client hears whose second line comes when the service stops.
        private func lastWords(of server: some ServedPort) async throws -> [String?] {
            var settings = ServiceSettings.local
            settings.drain = .seconds(20)
            let client = try IOCPClient()
            var heard: [String?] = []
            try await Run()(PortService(server, settings, logger: Run().logger)) {
                let address = server.port.listeners[0].address!
                heard = try await client.withConnection(to: .tcp(address)) { _, connection in
                    try await connection.send("a\n")
                    var heard = [try await connection.line()]
                    server.stop(drainingFor: .seconds(20))
                    try await Task.sleep(for: .milliseconds(100))
                    try await connection.send("b\n")
                    heard.append(try await connection.line())
                    heard.append(try await connection.line())
                    return heard
                }
            }
            client.stop()
            return heard
        }

        @Test func theLastAnswerIsSaidInBothForms() async throws {
            let port = ServiceSettings.local.port
            let said = ["a was taken", "b was taken, and is the last", nil]
            #expect(try await lastWords(of: IOCPServer(port, body: lastOrders)) == said)
            #expect(try await lastWords(of: IOCPServer(port) { _ in LastOrders() }) == said)
        }

        @Test func errorsHaveTheirPeers() async throws {
            let run = Run()
            let errors = ErrorLog(run.logger)
            let port = ServiceSettings.local.port
            let handled = try IOCPServer(port) { _ in Told(errors: errors) }
            let awaited = try IOCPServer(port, onError: errors.record) { _, connection in
                _ = try await connection.next()
                throw IOCPError(code: 22, detail: "no order")
            }
            for server in [handled as any ServedPort, awaited] {
                let listener = try server.port.listen(host: "127.0.0.1", port: 0)
                _ = try? await ask(listener.address!, "a")
            }
            await eventually("both are told") { run.lines.count == 2 }
            for line in run.lines {
                #expect(line.metadata["error"] == "Invalid argument (EINVAL): no order")
                #expect(line.metadata["peer"]?.description.hasPrefix("127.0.0.1:") == true, "\(line)")
                #expect(line.metadata["connection"]?.description.contains("-") == true)
            }
            for server in [handled as any ServedPort, awaited] {
                server.stop(drainingFor: .zero)
                try await server.wait(drainingFor: .zero)
            }
        }
    }
}

private struct Database { let isConnected: Bool }

private func healthExample(
    _ server: IOCPServer<BodyHandler>, _ settings: ServiceSettings, _ logger: Logger, _ database: Database
) -> PortService {
    var service = PortService(server, settings, logger: logger)
    service.unreadiness = { database.isConnected ? nil : "the database does not answer" }
    return service
}

private func providerExample() -> Logger {
    let logger = Logger(label: "orders", metadataProvider: .connection)
    return logger
}

private func identityExample(_ logger: Logger) throws -> IOCPServer<BodyHandler> {
    let server = try IOCPServer(body: identified { worker, connection in
        while let order = try await connection.line() {
            try await connection.send("\(order) was taken\n")
            logger.debug("an order was taken")  // connection=0-17 peer=192.0.2.7:50112
        }
    })
    return server
}

private func spanExample(
    _ settings: ServiceSettings, _ errors: ErrorLog, _ logger: Logger
) throws -> IOCPServer<BodyHandler> {
    LoggingSystem.bootstrap(StreamLogHandler.standardError, metadataProvider: .connection)
    let server = try IOCPServer(settings.port, onError: errors.record, body: identified { worker, connection in
        while let order = try await connection.line() {
            try await withSpan("order") { span in
                try await connection.send("\(order) was taken\n")
                logger.debug("an order was taken")  // connection=0-17 peer=192.0.2.7:50112
            }
        }
    })
    return server
}
#endif

#if Service
import Configuration
import IOCP
import IOCPService
import Logging
import ServiceLifecycle
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

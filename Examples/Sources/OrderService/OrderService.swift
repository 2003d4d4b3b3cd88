import IOCP
import IOCPService
import Logging
import ServiceLifecycle

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// An order is a number of 8 bytes. Its answer is the number, and a mark: 1 with the last answer of a connection.
public enum Order {
    public static let byteCount = 8

    public static func mark(isLast: Bool) -> UInt8 { isLast ? 1 : 0 }
}

/// Runs a server of orders as a service: settings from arguments, environment and file, logs on stderr, SIGTERM ends it when
/// every order has its answer, SIGINT at once.
/// - Parameter make: makes the server for settings.
public func runService(
    _ name: String, _ make: (ServiceSettings, ErrorLog) throws -> any ServedPort
) async {
    if CommandLine.arguments.contains("--help") {
        print("\(name): answers orders until SIGTERM\n\n\(SettingsSources.help())")
        return
    }
    LoggingSystem.bootstrap(StreamLogHandler.standardError, metadataProvider: .connection)
    let logger = Logger(label: name)
    do {
        let settings = try await SettingsSources().settings()
        let service = PortService(try make(settings, ErrorLog(logger)), settings, logger: logger)
        let group = ServiceGroup(
            services: [service], gracefulShutdownSignals: [.sigterm], cancellationSignals: [.sigint], logger: logger)
        try await group.run()
    } catch {
        let lines = "\(name): \(error)\n"
        _ = unsafe write(STDERR_FILENO, lines, lines.utf8.count)
        exit(1)
    }
}

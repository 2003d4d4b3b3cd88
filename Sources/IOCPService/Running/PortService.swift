#if Service
import IOCP
public import Logging
public import Metrics
public import ServiceLifecycle
import UnixSignals

/// A server or client as a service: it listens, tells that it is ready, is watched, and stops so that nothing is lost.
///
/// ```swift
/// let settings = try await SettingsSources().settings()
/// let logger = Logger(label: "orders")
/// let errors = ErrorLog(logger)
/// let server = try IOCPServer(settings.port, onError: errors.record) { worker, connection in
///     while let order = try await connection.line() { try await connection.send("\(order) was taken\n") }
/// }
/// let service = PortService(server, settings, logger: logger)
/// try await ServiceGroup(
///     services: [service], gracefulShutdownSignals: [.sigterm], cancellationSignals: [.sigint], logger: logger
/// ).run()
/// ```
///
/// **Start.** It listens on the sockets that systemd hands over, otherwise on ``ServiceSettings/addresses``. Then it logs one
/// line for each listener, and tells systemd that it is ready.
///
/// **Stop.** At a graceful shutdown it tells systemd and its readiness, goes on accepting for ``ServiceSettings/stopDelay``, and
/// stops the server with ``ServiceSettings/drain``: handlers are told `stopping`, bodies by `isStopping`. Cancelled, it stops
/// at once.
///
/// **Watching.** Once a second it looks at the workers' heartbeats and counters. What is notable is logged, a line for each kind
/// at most every ten seconds; no line is written for a connection or a message. The counters go to swift-metrics. systemd's
/// watchdog is fed while no worker stalls. Health is answered on a port and thread of its own, so also while all workers stall:
/// `/livez` is 200 unless one stalls, `/readyz` is 200 from the first listener to the stop, and otherwise they are 503 with the
/// reason.
///
/// **Reload.** At SIGHUP the certificates are read again, and ``onReload`` is called.
public struct PortService: Service {
    let server: any ServedPort
    let settings: ServiceSettings
    let logger: Logger
    let phases = PhaseBoard()
    let notifier: SystemdNotifier
    let sockets: SystemdSockets
    /// Where the counters go; nil: to what `MetricsSystem` was bootstrapped with.
    public var metricsFactory: (any MetricsFactory)?
    /// Why the service is not ready though it listens: a database that does not answer, say. nil: it is ready. Called by the
    /// health endpoint at each request, on its thread.
    public var unreadiness: @Sendable () -> String? = { nil }
    /// Reads again what the application reads; what it throws is logged, and the service goes on.
    public var onReload: @Sendable () async throws -> Void = {}

    /// - Parameters:
    ///   - server: runs until this service ends, and stops with it.
    ///   - notifier: nil: to the socket that the environment names.
    ///   - sockets: nil: those that the environment names.
    public init(
        _ server: some ServedPort, _ settings: ServiceSettings, logger: Logger, notifier: SystemdNotifier? = nil,
        sockets: SystemdSockets? = nil
    ) {
        self.server = server
        self.settings = settings
        self.logger = logger
        self.notifier = notifier ?? SystemdNotifier()
        self.sockets = sockets ?? SystemdSockets()
    }

    /// Returns when the server has stopped.
    /// - Throws: why it could not listen, or what ended a worker early.
    public func run() async throws {
        defer { phases.enter(.stopped) }
        let reloads = await UnixSignalsSequence(trapping: .sighup)
        let certificates: Certificates
        let health: HealthEndpoint?
        let admin: AdminEndpoint?
        do throws(IOCPError) {
            certificates = try Certificates(settings)
            try listen(certificates)
            health = try settings.health.map { address throws(IOCPError) in try HealthEndpoint(address, of: self) }
            admin = try settings.admin.map { address throws(IOCPError) in try server.port.serveAdmin(at: address) }
        } catch {
            logger.error("the service cannot listen", metadata: ["error": "\(error)"])
            server.stop(drainingFor: .zero)
            throw error
        }
        phases.enter(.ready)
        notifier.ready(status: status)
        if let admin { logger.notice("answering the admin socket", metadata: ["listener": "\(admin.address)"]) }
        defer {
            admin?.close()
            health?.stop()
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await watch() }
            group.addTask { for await _ in reloads { await reload(certificates) } }
            group.addTask { try await stopWhenAsked() }
            defer { group.cancelAll() }
            try await waitForEnd()
        }
    }

    // MARK: - Starting

    private func listen(_ certificates: Certificates) throws(IOCPError) {
        var options = settings.listening
        certificates.apply(to: &options)
        for socket in sockets.all {
            try server.port.listen(onDescriptor: socket.descriptor, options: options)
        }
        for address in settings.addresses where sockets.all.isEmpty {
            do throws(IOCPError) {
                _ = try server.port.listen(on: address, options)
            } catch {
                throw IOCPError(code: error.code, operation: error.operation, detail: error.detail ?? "\(address)")
            }
        }
        if server.port.listeners.isEmpty, server.listens {
            logger.notice("no address to listen on: listen.addresses names none, and systemd hands over no socket")
        }
        if settings.port != ServiceSettings().port, !isSetAsAsked {
            logger.warning("the server was made without the settings of its port that the service was given")
        }
        if let cause = server.port.fallbackCause {
            logger.notice("epoll serves: io_uring is refused here", metadata: ["cause": "\(cause)"])
        }
        for listener in server.port.listeners {
            logger.notice(
                "listening",
                metadata: [
                    "listener": "\(listener)", "driver": "\(server.port.driver)",
                    "workers": "\(server.port.workerCount)",
                    "tls": "\(options.security != nil)",
                ])
        }
    }

    /// Whether the server was made with the settings of its port, but for what a server sets itself.
    private var isSetAsAsked: Bool {
        var asked = settings.port
        asked.deliversHalfClose = server.port.configuration.deliversHalfClose
        return server.port.configuration == asked
    }

    // MARK: - Stopping

    /// Asked to stop, it stops; cancelled, somebody else does.
    private func stopWhenAsked() async throws {
        do { try await gracefulShutdown() } catch { return }
        guard phases.enter(.stopping) else { return }
        notifier.stopping(within: settings.stopDelay + settings.drain + .seconds(5), status: "stopping")
        logger.notice(
            "stopping",
            metadata: [
                "connections": "\(server.port.totalStats.connections)", "drain": "\(settings.drain.asSetting)",
                "delay": "\(settings.stopDelay.asSetting)",
            ])
        if settings.stopDelay > .zero { try? await Task.sleep(for: settings.stopDelay) }
        server.stop(drainingFor: settings.drain)
    }

    private func waitForEnd() async throws {
        let start = ContinuousClock.now
        do throws(IOCPError) {
            try await server.wait(drainingFor: .zero)
        } catch {
            logger.error("a worker ended early, and the service with it", metadata: ["error": "\(error)"])
            throw error
        }
        let total = server.port.totalStats
        logger.notice(
            "stopped",
            metadata: [
                "accepted": "\(total.accepted)", "connected": "\(total.connected)",
                "aborted": "\(total.abortedByStop)",
                "ran": "\((ContinuousClock.now - start).inSeconds)",
            ])
    }

    // MARK: - Reloading

    private func reload(_ certificates: Certificates) async {
        notifier.reloading()
        do {
            try certificates.reload()
            try await onReload()
            logger.notice("settings were read again")
        } catch {
            logger.error("settings could not be read again, and stay as they were", metadata: ["error": "\(error)"])
        }
        notifier.ready(status: status)
    }

    /// For `systemctl status`.
    var status: String {
        let listeners = server.port.listeners.map(\.description)
        return "\(server.port.totalStats.connections) connections on \(listeners.joined(separator: ", "))"
    }
}

/// A `ServiceGroup` logs its services by this.
extension PortService: CustomStringConvertible {
    public var description: String {
        "PortService(\(settings.addresses.map(\.description).joined(separator: ", ")))"
    }
}
#endif

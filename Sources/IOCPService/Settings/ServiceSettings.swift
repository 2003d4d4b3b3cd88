#if Service
public import IOCP

#if TLS
import IOCPTLS
#endif

/// Everything that an operator sets of a service: how its port is, where it listens, how it stops, and how it is watched.
///
/// ```swift
/// let sources = try await SettingsSources()
/// let settings = try sources.settings()
/// let server = try IOCPServer(settings.port) { _ in Orders() }
/// ```
/// A value, which may be made and changed in code as well. `docs/SERVICE.md` lists all settings with their names and bounds.
public struct ServiceSettings: Sendable {
    /// Of the completion port: its workers, memory, timeouts and limits.
    public var port = PortConfiguration()
    /// Where clients come from. None: the service listens on what systemd hands over, or on what the application listens
    /// on itself.
    public var addresses: [ListenAddress] = []
    /// Of every address.
    public var listening = ListenOptions()
    /// How long connections may go on once the service is asked to stop.
    public var drain = Duration.seconds(10)
    /// How long it goes on accepting once it is asked to stop, and says that it is not ready: the time that a load balancer
    /// needs to notice.
    public var stopDelay = Duration.zero
    /// Where health is answered by HTTP: see ``PortService``.
    public var health: ListenAddress?
    /// Whether ``health`` answers `/metrics`, too: the counters of the port as Prometheus reads them. What answers has no
    /// password, so that address should be open to the collector alone.
    public var healthMetrics = false
    /// The admin socket: see `AdminEndpoint` of IOCP. nil: there is none.
    public var admin: UnixAddress?
    /// How long a handler may run before its worker counts as stalled: it is logged, and neither alive nor fed to systemd's
    /// watchdog. More than zero.
    public var stallLimit = Duration.seconds(5)
    /// How often the counters go to swift-metrics; nil: never. At least 100 ms.
    public var metricsInterval: Duration? = .seconds(10)
    #if TLS
    /// TLS of every address; nil: they are in the clear.
    public var tls: TLSFiles?
    #endif

    /// The defaults, which every property names.
    public init() {}

    /// Checks every bound.
    /// - Throws: the first value that does not fit.
    func validate() throws(IOCPError) {
        try port.validate()
        try listening.validate()
        for (name, time, least) in [
            ("drain", drain, Duration.zero), ("stopDelay", stopDelay, .zero),
            ("stallLimit", stallLimit, .milliseconds(1)),
            ("metricsInterval", metricsInterval ?? .seconds(1), .milliseconds(100)),
        ] where !(least...Duration.seconds(86_400)).contains(time) {
            throw IOCPError(
                code: 34 /* ERANGE */, operation: .configuration, detail: "\(name) (\(least.asSetting) to 1d)")
        }
        #if TLS
        // The others of TLS are checked where it is made.
        if let most = tls?.settings.handshakesMax, most < 1 {
            throw IOCPError(code: 34 /* ERANGE */, operation: .configuration, detail: "handshakesMax (1 or more)")
        }
        #endif
    }
}
#endif

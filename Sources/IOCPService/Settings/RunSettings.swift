#if Service
import IOCP

extension Setting {
    /// How the service starts, stops and is watched.
    static let running: [Setting] = [
        .time("drain", \.drain, "How long connections may go on once the service is asked to stop."),
        .time(
            "stopDelay", \.stopDelay,
            "How long it goes on accepting once it is asked to stop, and says that it is not ready."),
        .optional("health", .address, \.health, "none", "Where /livez and /readyz are answered by HTTP."),
        .flag(
            "healthMetrics", \.healthMetrics, "Whether the address of health answers /metrics for Prometheus, too."),
        .optional(
            "admin", .unixSocket, \.admin, "none",
            "The admin socket of iocp connections and iocp capture, for this user and root: they read all that is said."),
        .time("stallLimit", \.stallLimit, "How long a handler may run before its worker counts as stalled."),
        .time("metricsInterval", \.metricsInterval, none: "never", "How often the counters go to swift-metrics."),
    ]

    /// Every setting there is.
    static let all: [Setting] = {
        #if TLS
        listen + tls + running + port
        #else
        listen + running + port
        #endif
    }()
}
#endif

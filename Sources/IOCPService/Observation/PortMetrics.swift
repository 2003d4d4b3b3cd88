#if Service
public import IOCP
public import Metrics
import Synchronization

/// The counters of a port for swift-metrics: each field of each worker, by the table in `docs/STATS.md`.
///
/// A counter is "iocp_received_bytes" with the dimension `worker`, a gauge likewise. In place of `heartbeat_ns`, which is a
/// time of a clock that nobody else has, "iocp_busy_ns" tells how long the worker's handlers have been running since its
/// latest wait.
///
/// ``PortService`` has one. Without it: make one, and call ``export()`` as often as the backend wants new values.
public struct PortMetrics: Sendable {
    private let port: CompletionPort
    private let workers: [WorkerMetrics]

    /// - Parameters:
    ///   - prefix: what all labels begin with.
    ///   - factory: nil: the one that `MetricsSystem` was bootstrapped with.
    public init(_ port: CompletionPort, prefix: String = "iocp", factory: (any MetricsFactory)? = nil) {
        self.port = port
        let factory = factory ?? MetricsSystem.factory
        workers = (0..<port.workerCount).map { WorkerMetrics(worker: $0, prefix, factory) }
    }

    /// Hands over what has changed. Thread: any.
    public func export() {
        let now = Duration.onMonotonicClock
        for (index, worker) in workers.enumerated() { worker.export(port.stats(ofWorker: index), at: now) }
    }
}

/// Of one worker.
private final class WorkerMetrics: Sendable {
    private let counters: [(StatsField, Counter)]
    private let gauges: [(StatsField, Gauge)]
    private let busy: Gauge
    /// The counters' values that were handed over before.
    private let exported: Mutex<[UInt64]>

    init(worker: Int, _ prefix: String, _ factory: any MetricsFactory) {
        let dimensions = [("worker", "\(worker)")]
        let fields = WorkerStats.fields.filter { $0 != .heartbeat }
        counters = fields.filter { $0.kind == .counter }.map {
            ($0, Counter(label: "\(prefix)_\($0.name)", dimensions: dimensions, factory: factory))
        }
        gauges = fields.filter { $0.kind == .gauge }.map {
            ($0, Gauge(label: "\(prefix)_\($0.name)", dimensions: dimensions, factory: factory))
        }
        busy = Gauge(label: "\(prefix)_busy_ns", dimensions: dimensions, factory: factory)
        exported = Mutex(Array(repeating: 0, count: counters.count))
    }

    func export(_ stats: WorkerStats, at now: Duration) {
        exported.withLock { exported in
            for (place, (field, counter)) in counters.enumerated() {
                let value = stats[field] ?? 0
                if value > exported[place] { counter.increment(by: Int64(clamping: value - exported[place])) }
                exported[place] = value
            }
        }
        for (field, gauge) in gauges { gauge.record(Int64(clamping: stats[field] ?? 0)) }
        busy.record(stats.busy(at: now) / .nanoseconds(1))
    }
}
#endif

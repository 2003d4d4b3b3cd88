#if Service
import IOCP
import Logging

extension PortService {
    /// How often it looks, unless systemd's watchdog wants to hear more often.
    private static let interval = Duration.seconds(1)
    /// How often one kind of incident is told at most, and systemd its status.
    private static let telling = Duration.seconds(10)

    /// Looks at the workers until the task is cancelled.
    func watch() async {
        let stalls = Stalls(port: server.port, limit: stallLimit)
        var stalling: [Int: Duration] = [:]
        var incidents = Incidents(of: server.port, logger)
        let metrics = settings.metricsInterval.map { _ in PortMetrics(server.port, factory: metricsFactory) }
        let pace = min(
            Self.interval, (notifier.watchdogInterval ?? .seconds(3_600)) / 2, settings.metricsInterval ?? .seconds(1))
        let start = ContinuousClock.now
        var (nextExport, nextTelling) = (start, start + Self.telling)
        while !Task.isCancelled {
            let now = ContinuousClock.now
            let found = stalls.now()
            tell(found, &stalling)
            if found.isEmpty { notifier.watchdog() }
            if let interval = settings.metricsInterval, now >= nextExport {
                metrics?.export()
                nextExport = now + interval
            }
            if now >= nextTelling {
                incidents.tell()
                if phases.now == .ready { notifier.status(status) }
                nextTelling = now + Self.telling
            }
            try? await Task.sleep(for: pace)
        }
        incidents.tell()
        metrics?.export()
    }

    /// Where systemd watches more closely than the settings do, it decides.
    var stallLimit: Duration { min(settings.stallLimit, notifier.watchdogInterval ?? settings.stallLimit) }

    /// A line when a worker stalls, and one when it goes on.
    private func tell(_ found: [(worker: Int, busy: Duration)], _ stalling: inout [Int: Duration]) {
        for (worker, busy) in found {
            if stalling[worker] == nil {
                logger.warning(
                    "a worker stalls: its handler does not return, and its other connections wait",
                    metadata: ["worker": "\(worker)", "busy": "\(busy.inSeconds)"])
            }
            stalling[worker] = busy
        }
        for (worker, busy) in stalling where !found.contains(where: { $0.worker == worker }) {
            stalling[worker] = nil
            logger.notice(
                "a worker goes on that had stalled", metadata: ["worker": "\(worker)", "busy": "\(busy.inSeconds)"])
        }
    }
}
#endif

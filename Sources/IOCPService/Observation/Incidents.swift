#if Service
import IOCP
import Logging

/// Turns counters that grew into log lines: one for each kind and interval, however often it happened.
struct Incidents {
    private struct Kind {
        let field: StatsField
        let level: Logger.Level
        let message: Logger.Message

        init(_ field: StatsField, _ level: Logger.Level, _ message: Logger.Message) {
            (self.field, self.level, self.message) = (field, level, message)
        }
    }

    private static let kinds: [Kind] = [
        Kind(.acceptFailures, .warning, "accepts failed, and are tried again: descriptors or memory are short"),
        Kind(.refusedAddresses, .warning, "connections were refused: their addresses have as many as they may"),
        Kind(
            .delayedAccepts, .warning,
            "clients wait: the accept rate is reached, or every place for a connection is taken"),
        Kind(
            .queueOverflows, .warning, "the kernel's completion queue overflowed: completionQueueEntries is too small"),
        Kind(.refusedSends, .warning, "sends were refused by a cap, or for want of memory"),
        Kind(
            .droppedSends, .notice,
            "sends from other threads were dropped: their connections were gone, or refused them"),
        Kind(.handlerErrors, .warning, "handlers threw"),
        Kind(.timeouts, .info, "connections were ended by a deadline"),
        Kind(.starvedReceives, .info, "receives waited for a free buffer"),
        Kind(.failedHandshakes, .notice, "TLS handshakes failed"),
        Kind(.brokenLayers, .notice, "TLS connections ended for a wrong record"),
    ]

    private let port: CompletionPort
    private let logger: Logger
    private var told: [UInt64]

    init(of port: CompletionPort, _ logger: Logger) {
        (self.port, self.logger) = (port, logger)
        told = Self.kinds.map { _ in 0 }
    }

    /// Logs what happened since the last call.
    mutating func tell() {
        let total = port.totalStats
        for (place, kind) in Self.kinds.enumerated() {
            let count = total[kind.field] ?? 0
            guard count > told[place] else { continue }
            logger.log(
                level: kind.level, kind.message, metadata: ["count": "\(count - told[place])", "total": "\(count)"])
            told[place] = count
        }
    }
}

extension CompletionPort {
    /// The counters of all workers as one.
    var totalStats: WorkerStats {
        WorkerStats.total(of: (0..<workerCount).lazy.map { self.stats(ofWorker: $0) })
    }
}
#endif

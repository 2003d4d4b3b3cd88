#if Command
import Dispatch
import IOCP
import Synchronization

/// What a server's workers hold and did, as one line between processes.
struct ServerReport: Sendable {
    var holdings: WorkerHoldings?
    var opened = 0
    var closed = 0
    /// Closed for a reason no peer is to blame for.
    var overflowed = 0
    var failed = 0
    var timedOut = 0
    /// Connections whose peer could not be asked for when they opened.
    var unasked = 0

    mutating func count(_ reason: CloseReason) {
        switch reason {
        case .sendOverflow: overflowed += 1
        case .failed, .aborted, .handlerThrew: failed += 1
        case .idleTimeout, .receiveTimeout, .sendTimeout: timedOut += 1
        case .local, .peer, .reset, .stopped: break
        }
    }

    /// The sum over workers, by name.
    static func sum(_ reports: [ServerReport]) -> [(name: String, value: Int)] {
        func total(_ value: (ServerReport) -> Int) -> Int { reports.map(value).reduce(0, +) }
        func held(_ value: (WorkerHoldings) -> Int) -> Int { reports.compactMap(\.holdings).map(value).reduce(0, +) }
        return [
            ("connections", held(\.connections)), ("leases", held(\.leases)), ("nodes", held(\.sendNodes)),
            ("chunks", held(\.sendChunks)), ("deadlines", held(\.deadlines)), ("handles", held(\.driverHandles)),
            ("opened", total(\.opened)), ("closed", total(\.closed)), ("overflowed", total(\.overflowed)),
            ("failed", total(\.failed)), ("timedOut", total(\.timedOut)), ("unasked", total(\.unasked)),
        ]
    }

    static let holdingNames = ["connections", "leases", "nodes", "chunks", "deadlines", "handles"]
}

/// Where workers leave their reports for the main thread.
final class Reports: Sendable {
    private let entries = Mutex<[ServerReport]>([])
    private let arrived = DispatchSemaphore(value: 0)

    func add(_ report: ServerReport) {
        entries.withLock { $0.append(report) }
        arrived.signal()
    }

    /// Waits for a report of every worker.
    func take(_ count: Int) -> [ServerReport] {
        for _ in 0..<count { arrived.wait() }
        return entries.withLock { entries in
            defer { entries = [] }
            return entries
        }
    }
}
#endif

#if Command
import Dispatch
import Synchronization

/// A turn of a load that measures when it is told to: how long it settles, and how long it then measures.
struct LoadTurn: Equatable {
    var settling: Duration
    /// Zero: nothing is measured.
    var measured: Duration

    /// The longest part of a turn.
    private static let millisecondsMax = 3_600_000

    /// From "SETTLING MEASURED", both in milliseconds; `nil` for anything else.
    init?(line: String) {
        let parts = line.split(separator: " ").map { Int($0) }
        guard parts.count == 2, let settling = parts[0], let measured = parts[1],
            (0...LoadTurn.millisecondsMax).contains(settling), (0...LoadTurn.millisecondsMax).contains(measured)
        else { return nil }
        self.settling = .milliseconds(settling)
        self.measured = .milliseconds(measured)
    }
}

/// The lines of stdin, read by a thread of its own: the main thread waits for other things meanwhile.
final class LoadTurnLines: Sendable {
    private let lines = Mutex<(waiting: [String], hasEnded: Bool)>(([], false))

    init(waking monitor: LoadMonitor) {
        DispatchQueue(label: "turns").async {
            while let line = readLine() {
                self.lines.withLock { $0.waiting.append(line) }
                monitor.wake()
            }
            self.lines.withLock { $0.hasEnded = true }
            monitor.wake()
        }
    }

    /// Whether there is a line, or will never be one.
    var hasNews: Bool { lines.withLock { !$0.waiting.isEmpty || $0.hasEnded } }

    /// The next line; `nil` where there is none.
    func next() -> String? { lines.withLock { $0.waiting.isEmpty ? nil : $0.waiting.removeFirst() } }
}
#endif

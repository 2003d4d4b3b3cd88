#if Command
import IOCP

/// One line on the terminal while a load is measured: how far it is, and what comes back. It is made from counters that
/// the workers keep anyway, so the load does nothing for it. Nothing is shown where stderr is no terminal.
struct LoadProgress {
    private let port: CompletionPort
    private let plan: LoadPlan
    private let duration: Duration
    private let began = ContinuousClock.now
    private var before: (bytes: UInt64, time: ContinuousClock.Instant)
    private var width = 0
    private(set) var due: ContinuousClock.Instant

    static let interval: Duration = .seconds(1)

    init(_ port: CompletionPort, _ plan: LoadPlan, _ duration: Duration) {
        (self.port, self.plan, self.duration) = (port, plan, duration)
        before = (LoadProgress.receivedBytes(port), .now)
        due = .now + LoadProgress.interval
    }

    /// Shows where the load is, if a second has gone by.
    mutating func showIfDue() {
        let now = ContinuousClock.now
        guard now >= due else { return }
        due = now + LoadProgress.interval
        let bytes = LoadProgress.receivedBytes(port)
        let perSecond = Double(bytes &- before.bytes) / Double(plan.messageBytes) / ((now - before.time) / .seconds(1))
        before = (bytes, now)
        guard Console.isTerminal else { return }
        let text =
            "measuring: \(Int((now - began) / .seconds(1))) of \(Figure.rounded(duration / .seconds(1), decimals: 1)) s, "
            + "\(Figure.count(UInt64(perSecond))) \(plan.mode.unit)"
        Console.show(text, over: width)
        width = text.count
    }

    /// Takes the line away, for what is said next.
    mutating func clear() {
        guard width > 0 else { return }
        Console.show("", over: width)
        Console.show("")
        width = 0
    }

    private static func receivedBytes(_ port: CompletionPort) -> UInt64 {
        (0..<port.workerCount).reduce(0) { $0 &+ port.stats(ofWorker: $1).receivedBytes }
    }
}
#endif

#if Command
import IOCP

/// `iocp stats --interval`: a line per interval with what happened in it.
struct StatsInterval {
    let processID: Int32
    let seconds: Double
    /// How many lines; nil: until a signal.
    let count: Int?
    let json: Bool

    /// Ends normally after `count` lines, or by SIGINT or SIGTERM.
    /// - Throws: a failure when the process has ended, or its page cannot be read any more.
    func run() throws {
        var signals = TerminationSignals()
        // First, so that no other process of the same number is taken for the one whose page is read.
        let watch = ProcessWatch(processID)
        var stats = try Stats.page(of: processID)
        var before = StatsReading(stats)
        var due = before.time
        var said = 0
        let header = json ? nil : RepeatedHeader(StatsLine.header)
        while count.map({ said < $0 }) ?? true {
            due = max(due + UInt64(seconds * 1e9), MonotonicClock.nanoseconds())
            if wait(until: due, &signals, watch) { return }
            if watch.state == .gone { throw CommandFailure("process \(processID) has ended") }
            do throws(IOCPError) {
                try stats.refresh()
            } catch {
                throw CommandFailure("the counters of process \(processID) cannot be read any more: \(error)")
            }
            let now = StatsReading(stats)
            let line = StatsLine(from: before, to: now, processID, stats.driver, watch.state)
            header?.sayIfDue(before: said)
            Console.say(json ? try JSONText.encode(line) : line.text)
            (before, said) = (now, said + 1)
        }
    }

    /// The end of the process is noticed within a second, however long the interval is.
    /// - Returns: whether a signal came.
    private func wait(until due: UInt64, _ signals: inout TerminationSignals, _ watch: ProcessWatch) -> Bool {
        while true {
            let next = min(due, MonotonicClock.nanoseconds() + 1_000_000_000)
            if signals.wait(until: next) != nil { return true }
            if next == due || watch.state == .gone { return false }
        }
    }
}

/// The head of a table whose end nobody knows: it is said again when the terminal has shown a screenful.
private struct RepeatedHeader {
    private let text: String
    private let rows: Int

    init(_ text: String) {
        self.text = text
        // One row for the header, and one for the cursor.
        rows = max(1, (TerminalSize.current?.rows ?? 24) - 2)
    }

    func sayIfDue(before line: Int) {
        if line % rows == 0 { Console.say(text) }
    }
}
#endif

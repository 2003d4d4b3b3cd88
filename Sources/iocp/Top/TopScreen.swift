#if Command
import IOCP

/// The rows of the screen, made of what there is to see. Nothing is written here.
struct TopScreen {
    let view: TopView
    let size: TerminalSize
    let usesUnicode: Bool

    /// Rows that are no worker's: title, sparkline, trouble, header, total, keys.
    private static let otherRows = 6

    /// How many workers a terminal shows at a time.
    static func page(_ size: TerminalSize) -> Int { max(0, size.rows - otherRows) }

    /// As many rows as the terminal has, or fewer.
    var lines: [TopLine] {
        guard size.columns >= 20, size.rows > TopScreen.otherRows else {
            return [TopLine("too small: 20x\(TopScreen.otherRows + 1) at least", .strong)]
        }
        guard let frame = view.frame else { return [TopLine("reading ...", .faint)] }
        if view.showsHelp { return [title(frame)] + TopScreen.help.map { TopLine($0) } }
        let all = view.workers
        let page = TopScreen.page(size)
        let shown = Array(all.dropFirst(view.offset).prefix(page))
        let table = TopTable(frame, shown, columns: size.columns)
        return [title(frame), sparkline(frame), trouble(frame), table.header] + table.rows + [table.total]
            + [keys(view.offset + 1, view.offset + shown.count, of: all.count)]
    }

    // MARK: Rows

    private func title(_ frame: TopFrame) -> TopLine {
        var line = TopLine("iocp top  ", .strong)
        line.add("\(frame.command) \(frame.processID)  \(frame.driver)  ")
        line.add(Figure.counted(frame.workers.count, "worker") + "  every \(seconds) s")
        if view.processCount > 1 { line.add("  process \(view.place) of \(view.processCount)") }
        switch frame.state {
        case .running: break
        case .stopped: line.add("  stopped", .stalled)
        case .gone: line.add("  gone", .stalled)
        }
        if view.isPaused { line.add("  paused", .strong) }
        return line
    }

    private var seconds: String {
        view.interval == view.interval.rounded()
            ? "\(Int(view.interval))"
            : Figure.rounded(view.interval, decimals: view.interval * 10 == (view.interval * 10).rounded() ? 1 : 2)
    }

    private func sparkline(_ frame: TopFrame) -> TopLine {
        let now = frame.total.perSecond(.receivedOperations).map { Figure.short($0) } ?? "-"
        let peak = view.history.max() ?? 0
        let figures = "messages/s " + String(repeating: " ", count: max(0, 5 - now.count)) + now + " "
        let span = "  peak \(Figure.short(peak)) in \(TopScreen.span(Double(view.history.count) * view.interval))"
        let bars = TopSparkline(usesUnicode: usesUnicode)
            .text(view.history, width: size.columns - figures.count - span.count)
        var line = TopLine(figures)
        line.add(bars, .strong)
        line.add(span, .faint)
        return line
    }

    /// "45 s", "9 min".
    private static func span(_ seconds: Double) -> String {
        seconds < 120 ? "\(Figure.whole(seconds)) s" : "\(Figure.whole((seconds / 60).rounded(.down))) min"
    }

    private func trouble(_ frame: TopFrame) -> TopLine {
        if frame.state == .gone {
            let reason = frame.fault ?? "it has ended"
            return TopLine("process \(frame.processID) is gone: \(reason); Tab takes the next one, q ends", .stalled)
        }
        var line = TopLine()
        func add(_ text: String, _ style: TopStyle) {
            if line.width > 0 { line.add("  ") }
            line.add(text, style)
        }
        let stalled = frame.workers.filter { $0.state == .stalled }
        if frame.state == .stopped {
            add("the process is stopped (SIGSTOP, or a debugger)", .stalled)
        } else if !stalled.isEmpty {
            let longest = stalled.max { $0.wait < $1.wait }!
            add(
                "\(Figure.counted(stalled.count, "worker")) stalled: worker \(longest.index) for "
                    + "\(Figure.rounded(min(longest.wait / .seconds(1), 1e9), decimals: 1)) s", .stalled)
        }
        for (field, growth) in frame.total.grown(among: StatsReport.troubles + [.droppedSends]) {
            let style: TopStyle =
                TopFrame.starved.contains(field) ? .starved : TopFrame.refused.contains(field) ? .refused : .plain
            add("\(field.heading) +\(Figure.short(growth))", style)
        }
        return line.width > 0 ? line : TopLine("no trouble in this interval", .faint)
    }

    private func keys(_ first: Int, _ last: Int, of count: Int) -> TopLine {
        var line = TopLine(
            "q quit  s sort: \(view.sort.rawValue)  p \(view.isPaused ? "go on" : "pause")  h help", .faint)
        if view.processCount > 1 { line.add("  Tab process", .faint) }
        if last - first + 1 < count {
            line.add("  \(usesUnicode ? "↑↓" : "arrows") ", .faint)
            line.add("workers \(first)-\(last) of \(count)")
        }
        return line
    }

    // MARK: Help

    static let help = [
        "",
        "q         quit                       p, space  pause and go on",
        "s         sort by the next column    h, ?      this help",
        "w c m b   sort by worker, connections, messages, busy",
        "u i o     sort by unsent bytes, bytes in, bytes out",
        "up down   scroll; also j k, PageUp PageDown, Home End",
        "Tab       the next process that has a port; also right and left",
        "",
        "state     sleeps: waits in the kernel. runs. stalled: has not waited for 1 s",
        "in out    bytes per second, in steps of 1024",
        "msg/s     receives that brought bytes; msg/en: of them per entry into the kernel",
        "busy      the worker's share of a CPU; wake: how late wake-ups were, p99, below",
        "unsent    bytes that wait for the transport",
        "starved   receives that waited for a buffer in this interval",
        "refused   sends and connections that were refused in this interval",
    ]
}
#endif

#if Command
import IOCP

/// The workers of one frame as rows of cells.
struct TopTable {
    let header: TopLine
    let rows: [TopLine]
    let total: TopLine

    private struct Cell: Sendable {
        let text: String
        var style = TopStyle.plain
    }

    private struct Column: Sendable {
        let title: String
        /// Shown on terminals of as many columns.
        var terminal = 0
        /// Wide enough for what it mostly has, so that it stays where it is from frame to frame.
        var width = 5
        var isWord = false
        let cell: @Sendable (TopWorker) -> Cell
        let total: @Sendable (TopFrame) -> Cell
    }

    /// - Parameter columns: of the terminal; more of them show more.
    init(_ frame: TopFrame, _ workers: [TopWorker], columns: Int) {
        let shown = TopTable.columns.filter { $0.terminal <= columns }
        let totals = shown.map { $0.total(frame) }
        let cells = workers.map { worker in shown.map { $0.cell(worker) } }
        let widths = shown.indices.map { place in
            let titles = max(shown[place].title.count, shown[place].width, totals[place].text.count)
            return cells.reduce(titles) { max($0, $1[place].text.count) }
        }
        let spare = columns - widths.reduce(0, +)
        let gap = min(3, max(1, spare / max(1, shown.count - 1)))
        func line(_ row: [Cell]) -> TopLine {
            var line = TopLine()
            for (place, cell) in row.enumerated() {
                let padding = String(repeating: " ", count: widths[place] - cell.text.count)
                let between = String(repeating: " ", count: place == 0 ? 0 : gap)
                line.add(between + (shown[place].isWord ? "" : padding))
                line.add(cell.text, cell.style)
                if shown[place].isWord { line.add(padding) }
            }
            return line
        }
        var header = TopLine(line(shown.map { Cell(text: $0.title) }).text, .heading)
        header.fill(to: columns, .heading)
        self.header = header
        rows = cells.map(line)
        total = TopLine(line(totals).text, .strong)
    }

    // MARK: Cells

    private static let columns: [Column] = [
        Column(title: "#", width: 2, cell: { Cell(text: "\($0.index)") }, total: { _ in Cell(text: "") }),
        Column(title: "state", width: 7, isWord: true, cell: { state($0) }, total: { _ in Cell(text: "total") }),
        Column(
            title: "cpu", width: 3, cell: { Cell(text: $0.rates.now.core.map(String.init) ?? "-") },
            total: { _ in Cell(text: "") }),
        Column(title: "node", width: 4, cell: { Cell(text: "\($0.rates.now.node)") }, total: { _ in Cell(text: "") }),
        gauge("conns", .connections),
        rate("acc/s", .accepted, terminal: 110),
        rate("clo/s", .closed, terminal: 110),
        rate("in/s", .receivedBytes),
        rate("out/s", .sentBytes),
        rate("msg/s", .receivedOperations),
        ratio("msg/en", .receivedOperations),
        ratio("cmp/en", .completions, terminal: 110),
        Column(
            title: "busy", width: 4, cell: { Cell(text: percent($0.busy)) },
            total: { frame in
                let shares = frame.workers.compactMap(\.busy)
                return Cell(text: percent(shares.isEmpty ? nil : shares.reduce(0, +) / Double(shares.count)))
            }),
        Column(
            title: "wake", terminal: 100, cell: { Cell(text: wake($0.rates)) }, total: { Cell(text: wake($0.total)) }),
        gauge("unsent", .unsentBytes),
        growth("starved", TopFrame.starved, .starved),
        growth("refused", TopFrame.refused, .refused),
        growth("timeouts", [.timeouts], .plain, terminal: 110),
        growth("errors", [.handlerErrors], .plain, terminal: 110),
        gauge("received", .receivedBytes, terminal: 150),
        gauge("sent", .sentBytes, terminal: 150),
        rate("jobs/s", .jobs, terminal: 150),
        gauge("waiting", .waitingClients, terminal: 165),
        gauge("offload", .offloadDepth, terminal: 200),
        share("app", { $0.application }),
        share("lib", { $0.library }),
        share("kern", { $0.kernel }),
    ]

    private static func state(_ worker: TopWorker) -> Cell {
        let style: TopStyle =
            switch worker.state {
            case .stalled, .gone: .stalled
            case .asleep, .absent, .unknown: .faint
            case .awake: .plain
            }
        return Cell(text: worker.state.rawValue, style: style)
    }

    private static func gauge(_ title: String, _ field: StatsField, terminal: Int = 0) -> Column {
        Column(
            title: title, terminal: terminal, cell: { Cell(text: short($0.rates.now[field], field)) },
            total: { Cell(text: short($0.total.now[field], field)) })
    }

    private static func rate(_ title: String, _ field: StatsField, terminal: Int = 0) -> Column {
        Column(
            title: title, terminal: terminal, cell: { Cell(text: short($0.rates.perSecond(field), field)) },
            total: { Cell(text: short($0.total.perSecond(field), field)) })
    }

    /// Of a counter for each entry into the kernel.
    private static func ratio(_ title: String, _ field: StatsField, terminal: Int = 0) -> Column {
        @Sendable func text(_ rates: StatsRates) -> String {
            guard let ratio = rates.ratio(field, per: .enters) else { return "-" }
            return ratio < 1_000 ? Figure.rounded(ratio, decimals: 1) : Figure.short(Figure.whole(ratio))
        }
        return Column(
            title: title, terminal: terminal, cell: { Cell(text: text($0.rates)) },
            total: { Cell(text: text($0.total)) })
    }

    /// By how much counters of trouble grew in the interval.
    private static func growth(_ title: String, _ fields: [StatsField], _ style: TopStyle, terminal: Int = 0) -> Column
    {
        @Sendable func cell(_ rates: StatsRates) -> Cell {
            let growths = fields.compactMap { rates.growth($0) }
            guard !growths.isEmpty else { return Cell(text: "-") }
            let sum = growths.reduce(UInt64(0)) { sum, next in
                let (sum, isTooLarge) = sum.addingReportingOverflow(next)
                return isTooLarge ? .max : sum
            }
            return Cell(text: Figure.short(sum), style: sum > 0 ? style : .plain)
        }
        return Column(
            title: title, terminal: terminal, cell: { cell($0.rates) }, total: { cell($0.total) })
    }

    /// Of what the worker spent its time on in the interval; below the rows the mean.
    private static func share(_ title: String, _ part: @escaping @Sendable (StatsTime) -> Double) -> Column {
        Column(
            title: title, terminal: 185, width: 4, cell: { Cell(text: percent($0.time.map(part))) },
            total: { frame in
                let shares = frame.workers.compactMap { $0.time.map(part) }
                return Cell(text: percent(shares.isEmpty ? nil : shares.reduce(0, +) / Double(shares.count)))
            })
    }

    private static func short(_ value: UInt64?, _ field: StatsField) -> String {
        value.map { Figure.short($0, step: field.unit == .bytes ? 1_024 : 1_000) } ?? "-"
    }

    /// What 99 % of the wake-ups in the interval did not exceed.
    private static func wake(_ rates: StatsRates) -> String {
        rates.percentile(0.99, of: "wake_ns").map(Figure.nanoseconds) ?? "-"
    }

    private static func percent(_ share: Double?) -> String { share.map { "\(Int(($0 * 100).rounded()))%" } ?? "-" }
}
#endif

#if Command
import IOCP
import Testing

@testable import iocp

/// The parts of `iocp top` and `iocp stats --interval` that need no terminal and no process.
@Suite struct TopParts {
    @Test("bars are scaled to the largest value, and values beyond the width are joined from the newest on")
    func sparkline() {
        let bars = TopSparkline(usesUnicode: true)
        #expect(bars.text([], width: 10) == "")
        #expect(bars.text([1, 2], width: 0) == "")
        #expect(bars.text([0, 0], width: 10) == "▁▁")
        #expect(bars.text([0, 4, 8], width: 10) == "▁▅█")
        #expect(bars.text([0, .max, 0], width: 3) == "▁█▁")
        #expect(bars.text([8, 0, 0, 4, 4], width: 3) == "█▁▅")
        #expect(bars.text(Array(repeating: 7, count: 600), width: 41).count == 40)
        #expect(TopSparkline(usesUnicode: false).text([0, 8], width: 9) == "_#")
    }

    @Test("short figures have five characters at most, whatever the number")
    func figures() {
        #expect(
            [0, 9_999, 10_000, 999_499, 999_500, 1_230_000].map { Figure.short($0) }
                == ["0", "9999", "10.0K", "999K", "1.00M", "1.23M"])
        #expect(Figure.short(1 << 20, step: 1_024) == "1.00M")
        var value: UInt64 = 1
        while value < UInt64.max / 3 {
            for number in [value - 1, value, value + 1] {
                #expect(Figure.short(number).count <= 5 && Figure.short(number, step: 1_024).count <= 5, "\(number)")
            }
            value *= 3
        }
        #expect(Figure.short(.max) == "18.4E" && Figure.short(.max, step: 1_024) == "16.0E")
        #expect(Figure.whole(.infinity) == .max && Figure.whole(-1) == 0 && Figure.whole(1e30) == .max)
        #expect(Figure.rounded(1e30, decimals: 1) == "1844674407370955161.5")
    }

    @Test("keys and sequences of a terminal")
    func keys() {
        #expect(TopKey.keys(in: Array("q p h?s".utf8)) == [.quit, .pause, .pause, .pause, .help, .help, .nextSort])
        #expect(
            TopKey.keys(in: Array("\u{1b}[A\u{1b}OB\u{1b}[5~\u{1b}[6~\u{1b}[H\u{1b}[4~".utf8)) == [
                .scroll(.rows(-1)), .scroll(.rows(1)), .scroll(.pages(-1)), .scroll(.pages(1)), .scroll(.start),
                .scroll(.end),
            ])
        #expect(
            TopKey.keys(in: Array("\t\u{1b}[Z\u{1b}[C\u{1b}[D".utf8)) == [
                .process(forward: true), .process(forward: false), .process(forward: true), .process(forward: false),
            ])
        #expect(TopKey.keys(in: Array("mz\u{1b}[1;5".utf8)) == [.sort(.messages), .other, .other])
        // A key that quits is none within a sequence.
        #expect(!TopKey.keys(in: Array("\u{1b}[q".utf8)).contains(.quit))
        var random = SystemRandomNumberGenerator()
        for _ in 0..<1_000 {
            let bytes = (0..<20).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(TopKey.keys(in: bytes).count <= 20)
        }
        // No two columns have one key, and none has a key of another meaning.
        #expect(Set(TopSort.allCases.map(\.key) + "qphsjk").count == TopSort.allCases.count + 6)
    }

    @Test("a process' name is made of plain characters, one cell each")
    func names() {
        func shown(_ text: String) -> String { ProcessName.shown(Array(text.utf8)) }
        #expect(shown("nginx\n") == "nginx")
        #expect(shown("a\u{1b}[31mb\u{7}\r\n") == "a?[31mb??")
        #expect(shown("\u{9b}\u{202e}\u{200b}\u{2028}") == "????")
        #expect(shown("日e\u{301}ж") == "?e?ж")
        #expect(shown("") == "?" && shown("\n") == "?" && shown("\n\n") == "?")
        #expect(shown("0123456789abcdef") == "0123456789abcde")
        #expect(ProcessName.shown([0xff, 0x41, 0xc3]) == "\u{fffd}A\u{fffd}")
        #expect(ProcessName.of(5_000_000) == "?")
    }

    @Test("a painted row is cut to its width and has no control character but its colours")
    func painter() {
        var line = TopLine("ab\u{1b}[2J\u{9b}c\n")
        line.add("stall", .stalled)
        let plain = TopPainter { ["NO_COLOR": "1", "LANG": "C.UTF-8"][$0] }
        #expect(plain.text(line, width: 80) == "ab?[2J?c?\u{1b}[1;7mstall\u{1b}[0m")
        #expect(plain.text(line, width: 11) == "ab?[2J?c?\u{1b}[1;7mst\u{1b}[0m")
        #expect(plain.text(line, width: 0) == "")
        let coloured = TopPainter { ["NO_COLOR": "", "LC_ALL": "C", "LANG": "C.UTF-8"][$0] }
        #expect(coloured.text(TopLine("é"), width: 9) == "?")
        #expect(coloured.text(TopLine("x", .starved), width: 9) == "\u{1b}[33mx\u{1b}[0m")
        #expect(TopPainter { ["LC_ALL": "de_DE.utf8"][$0] }.text(TopLine("é"), width: 9) == "é")
    }

    @Test("rates of counters that grow, go back, are absent, or are any number")
    func rates() {
        var (before, now) = (WorkerStats(), WorkerStats())
        func rates(_ nanoseconds: UInt64) -> StatsRates { StatsRates(from: before, to: now, nanoseconds: nanoseconds) }
        #expect(rates(1).perSecond(.accepted) == nil && rates(1).growth(.accepted) == nil)
        (before[.accepted], now[.accepted]) = (10, 30)
        #expect(rates(500_000_000).perSecond(.accepted) == 40 && rates(1).growth(.accepted) == 20)
        (before[.accepted], now[.accepted]) = (30, 10)
        #expect(rates(1).perSecond(.accepted) == nil)
        (before[.accepted], now[.accepted]) = (0, .max)
        #expect(rates(0).perSecond(.accepted) == .max && rates(.max).perSecond(.accepted) == 1_000_000_000)
        (before[.enters], now[.enters]) = (5, 5)
        #expect(rates(1).ratio(.accepted, per: .enters) == nil)
        now[.enters] = 6
        #expect(rates(1).ratio(.accepted, per: .enters) == Double(UInt64.max))
        #expect(rates(1_000_000_000).share(.accepted) == 1)
        #expect(rates(1).grown(among: [.accepted, .closed, .enters]).map(\.field) == [.accepted, .enters])
    }

    private static func frame(workers count: Int) -> TopFrame {
        let workers = (0..<count).map { index in
            var (before, now) = (WorkerStats(), WorkerStats())
            for field in WorkerStats.fields { (before[field], now[field]) = (0, UInt64(index * 7 % count)) }
            return TopWorker(
                index: index, rates: StatsRates(from: before, to: now, nanoseconds: 1_000_000_000),
                busy: Double(index) / Double(count), time: nil, state: .asleep, wait: .zero)
        }
        return TopFrame(
            processID: 1, command: "iocp", driver: "uring", state: .running, fault: nil, workers: workers,
            total: workers[0].rates)
    }

    @Test(
        "every size of terminal gets rows that fit",
        arguments: [(80, 24), (200, 50), (20, 7), (19, 24), (80, 6), (1, 1)])
    func screen(columns: Int, rows: Int) {
        var view = TopView(interval: 1)
        let size = TerminalSize(columns: columns, rows: rows)
        #expect(TopScreen(view: view, size: size, usesUnicode: true).lines.count == 1)
        view.take(TopParts.frame(workers: 64))
        let lines = TopScreen(view: view, size: size, usesUnicode: true).lines
        #expect(lines.count <= rows)
        let isLarge = columns >= 80 && rows > 6
        #expect(isLarge || columns >= 20 && rows > 6 || lines.count == 1)
        if isLarge {
            #expect(lines.count == rows)
            #expect(lines[3...].dropLast().allSatisfy { $0.width <= columns }, "\(lines.map(\.width))")
            #expect(lines[3].text.contains("# ") && lines[rows - 2].text.contains("total"))
        }
        // 1,024 workers with four digits, on 80 columns still with the last column.
        view.take(TopParts.frame(workers: 1_024))
        view.obey(.scroll(.end), page: TopScreen.page(size))
        let many = TopScreen(view: view, size: size, usesUnicode: true).lines
        if isLarge { #expect(many[4].width <= columns && many[rows - 3].text.hasPrefix("1023 ")) }
    }

    @Test("workers are ordered by what was chosen, the largest first, and equal ones by number")
    func order() {
        var view = TopView(interval: 1)
        view.take(TopParts.frame(workers: 10))
        #expect(view.workers.map(\.index) == Array(0..<10))
        view.obey(.sort(.messages), page: 5)
        #expect(view.workers.map { $0.index * 7 % 10 } == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
        view.obey(.sort(.busy), page: 5)
        #expect(view.workers.map(\.index) == Array((0..<10).reversed()))
        view.obey(.nextSort, page: 5)
        #expect(view.sort == .unsent)
    }

    @Test("a pause keeps the frame, not the history")
    func pause() {
        var view = TopView(interval: 1)
        view.take(TopParts.frame(workers: 1))
        view.obey(.pause, page: 5)
        view.take(TopParts.frame(workers: 2))
        #expect(view.frame?.workers.count == 1 && view.history.count == 2)
        view.obey(.pause, page: 5)
        #expect(view.frame?.workers.count == 2)
        for _ in 0..<700 { view.take(TopParts.frame(workers: 1)) }
        #expect(view.history.count == 600)
    }
}
#endif

import ArgumentParser
import CPage
import Glibc
import IOCP

/// libFuzzer's entry. The first byte chooses: arguments of the command, or the page that `iocp stats` reads.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzCommand(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    let input = unsafe Array(UnsafeBufferPointer(start: start, count: count))
    guard let choice = input.first else { return 0 }
    if choice & 1 == 0 {
        FuzzArguments.check(String(decoding: input.dropFirst(), as: UTF8.self))
    } else {
        FuzzPage.check(Array(input.dropFirst()))
    }
    return 0
}

/// Arguments, one a line: they are a command whose numbers are within their bounds, or bad usage, or a question.
enum FuzzArguments {
    static func check(_ text: String) {
        let arguments = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        do {
            switch try IocpCommand.parseAsRoot(arguments) {
            case let serve as Serve: check(serve)
            case let stress as Stress: check(stress)
            case let stats as Stats:
                precondition(
                    stats.pid ?? 1 >= 1 && (0.1...3_600).contains(stats.interval ?? 1) && stats.count ?? 1 >= 1)
            case let top as Top:
                precondition(top.pid ?? 1 >= 1 && (0.1...10).contains(top.interval) && top.count ?? 1 >= 1)
            case let doctor as Doctor: precondition((1...10_000_000).contains(doctor.connections ?? 1))
            default: break
            }
        } catch {
            let code = IocpCommand.exitCode(for: error)
            precondition(code == .success || code == .validationFailure, "an exit status that is not promised: \(code)")
            precondition(!IocpCommand.fullMessage(for: error).isEmpty || code == .success, "bad usage without a word")
        }
    }

    private static func check(_ serve: Serve) {
        precondition((0...65_535).contains(serve.port) && (1...1_024).contains(serve.workers ?? 1))
        var configuration = PortConfiguration()
        configuration.driver = serve.driver.driver
        configuration.workers = serve.workers ?? 0
    }

    private static func check(_ stress: Stress) {
        precondition((1...65_535).contains(stress.port) && (1...1_024).contains(stress.workers))
        precondition((1...1_000_000).contains(stress.connections))
        precondition((0...stress.connections).contains(stress.active ?? 0))
        precondition((1...8_388_608).contains(stress.size) && (1...1_024).contains(stress.depth))
        for duration in [Duration.seconds(stress.duration), .seconds(stress.connectTimeout)] {
            precondition(duration >= .zero && duration <= .seconds(3_600))
        }
    }
}

/// A page that claims to be a port's: `iocp stats` shows it or refuses it.
enum FuzzPage {
    static func check(_ bytes: [UInt8]) {
        let fd = fuzz_page_create()
        precondition(fd >= 0, "no page")
        defer { close(fd) }
        let written = unsafe bytes.withUnsafeBytes { unsafe write(fd, $0.baseAddress, $0.count) }
        precondition(written == bytes.count && ftruncate(fd, off_t(bytes.count + zerosBehind)) == 0, "no page")
        do {
            let report = StatsReport(try PortStats(processID: getpid()))
            precondition(report.lines.count >= 3, "a heading, a header, a total")
            precondition(try! report.json().first == "{", "no JSON object")
            let stats = try PortStats(processID: getpid())
            checkMetrics(stats.prometheusText())
            checkScreen(StatsReading(stats), driver: stats.driver)
        } catch {
            precondition(error.code == EPROTO, "a page is refused as what it is: \(error)")
        }
    }

    /// Lines of Prometheus' format: comments, and samples whose names and numbers are such.
    private static func checkMetrics(_ text: String) {
        for line in text.split(separator: "\n") where !line.hasPrefix("# HELP iocp_") && !line.hasPrefix("# TYPE iocp_")
        {
            precondition(line.wholeMatch(of: /iocp_[a-z0-9_]+\{[a-z0-9_=",-]+\} [0-9.]+/) != nil, "no sample: \(line)")
        }
    }

    /// `iocp stats --interval` and `iocp top`, as if every counter had been 0 a nanosecond ago.
    private static func checkScreen(_ reading: StatsReading, driver: String) {
        let workers = reading.workers.enumerated().map { index, worker in
            var before = worker
            for field in WorkerStats.fields where worker[field] != nil { before[field] = 0 }
            return TopWorker(
                index: index, rates: StatsRates(from: before, to: worker, nanoseconds: 1), busy: 1,
                time: StatsTime(from: before, to: worker, workers: 1, nanoseconds: 1), state: .awake,
                wait: worker.busy(at: .seconds(1)))
        }
        let line = StatsLine(from: reading, to: reading, 1, driver, .running)
        precondition(!line.text.isEmpty && (try! JSONText.encode(line)).first == "{", "no line")
        var view = TopView(interval: 1)
        view.take(
            TopFrame(
                processID: 1, command: "iocp", driver: driver, state: .running, fault: nil, workers: workers,
                total: workers[0].rates))
        for sort in TopSort.allCases {
            view.obey(.sort(sort), page: 18)
            let screen = TopScreen(view: view, size: TerminalSize(columns: 80, rows: 24), usesUnicode: true)
            for row in screen.lines {
                precondition(
                    row.text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7f }, "a control character")
            }
        }
    }

    /// So that a small input may have many workers.
    private static let zerosBehind = 4 << 10
}

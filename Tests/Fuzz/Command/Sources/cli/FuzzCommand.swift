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
            case let stats as Stats: precondition(stats.pid ?? 1 >= 1)
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
        } catch {
            precondition(error.code == EPROTO, "a page is refused as what it is: \(error)")
        }
    }

    /// So that a small input may have many workers.
    private static let zerosBehind = 4 << 10
}

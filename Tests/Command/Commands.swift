import ChildProcesses
import OwnThreads
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// One suite above all, serialized: each test has the machine's two cores for its server and its load.
@Suite(.serialized, .ownThreads) struct Commands {}

/// Skips a suite, with the reason shown, where io_uring is refused: the command then warns on stderr, where these tests
/// look for nothing.
let needsRing = ConditionTrait.enabled(if: ringRefusal == nil, "\(ringRefusal ?? "")")

/// What the command says where io_uring is refused.
private let ringRefusal: String? = {
    do {
        let child = try ChildProcess("iocp", ["serve", "--host", "127.0.0.1", "--port", "0", "--workers", "1"])
        _ = try? child.line(of: .output, beginning: "listening on ")
        return child.lines(of: .errors).first { $0.contains("io_uring is refused") }
    } catch {
        return nil
    }
}()

/// A run of `iocp` to its end.
struct Outcome {
    let status: Int32
    let output: String
    let errors: String

    init(of arguments: [String]) throws {
        let child = try ChildProcess("iocp", arguments)
        status = try child.end()
        output = child.text(of: .output)
        errors = child.text(of: .errors)
    }

    var outputLines: [String] { output.split(separator: "\n").map(String.init) }
    var errorLines: [String] { errors.split(separator: "\n").map(String.init) }
}

/// A running `iocp serve` on a free port.
struct Server {
    let child: ChildProcess
    let readyLine: String
    let port: String

    init(_ options: [String] = []) throws {
        child = try ChildProcess(
            "iocp", ["serve", "--host", "127.0.0.1", "--port", "0", "--workers", "1"] + options)
        readyLine = try child.line(of: .output, beginning: "listening on ")
        let words = readyLine.split(separator: " ")
        port = words.count > 2 ? String(words[2].split(separator: ":").last ?? "") : ""
    }

    /// Asks it to end and returns its exit status.
    func end(_ signal: Int32 = SIGTERM) throws -> Int32 {
        child.signal(signal)
        return try child.end()
    }
}

/// `iocp stress` against a server of these tests.
func stress(port: String, _ options: [String] = []) throws -> Outcome {
    try Outcome(of: ["stress", "--port", port, "--connections", "4", "--duration", "0.3"] + options)
}

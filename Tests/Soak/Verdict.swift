#if Command
import ArgumentParser

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// One line: what was played, whether everything held, and the figures.
struct Verdict {
    private let title: String
    private var figures: [String] = []
    private var failures: [String] = []

    init(_ title: String) {
        self.title = title
    }

    mutating func add(_ figure: String) {
        figures.append(figure)
    }

    mutating func require(_ condition: Bool, _ what: @autoclosure () -> String) {
        if !condition { failures.append(what()) }
    }

    /// Prints the line.
    /// - Throws: exit status 1 when something did not hold.
    func report() throws {
        let outcome = failures.isEmpty ? "ok" : "FAILED (\(failures.joined(separator: "; ")))"
        say("\(title): \(outcome): \(figures.joined(separator: ", "))")
        if !failures.isEmpty { throw ExitCode.failure }
    }
}

/// Writes a line to stdout, at once.
func say(_ line: String) {
    let text = line + "\n"
    _ = write(STDOUT_FILENO, text, text.utf8.count)
}

extension Duration {
    var seconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }

    /// "12.3 ms" below a second, "4.56 s" above.
    var text: String { self < .seconds(1) ? "\((seconds * 1e3).rounded(to: 2)) ms" : "\(seconds.rounded(to: 2)) s" }
}

extension Double {
    func rounded(to decimals: Int) -> Double {
        let scale = pow(10, Double(decimals))
        return (self * scale).rounded() / scale
    }
}

/// "1.5 MiB".
func mebibytes(_ bytes: Int) -> String { "\((Double(bytes) / 1_048_576).rounded(to: 1)) MiB" }

func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}
#endif

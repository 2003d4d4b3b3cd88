#if Command
import ArgumentParser

/// The bounds of the options, as ArgumentParser wants them: thrown, then shown with the usage, exit status 64.
enum Bounds {
    static func port(_ port: Int, least: Int) throws {
        try check(port, "--port", least...65_535)
    }

    static func workers(_ workers: Int?) throws {
        if let workers { try check(workers, "--workers", 1...1_024) }
    }

    static func seconds(_ seconds: Double, _ option: String) throws {
        guard seconds > 0, seconds <= 3_600 else {
            throw ValidationError("\(option) takes more than 0 s and at most 3600 s, not \(seconds)")
        }
    }

    static func check(_ value: Int, _ option: String, _ bounds: ClosedRange<Int>, unit: String = "") throws {
        guard bounds.contains(value) else {
            throw ValidationError(
                "\(option) takes \(bounds.lowerBound) to \(bounds.upperBound)\(unit), not \(value)")
        }
    }
}
#endif

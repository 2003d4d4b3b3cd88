import Foundation

/// Figures as text, each with its unit.
enum Figure {
    static func count(_ value: Double) -> String {
        let digits = String(Int(value.rounded()).magnitude)
        var grouped = ""
        for (index, digit) in digits.enumerated() {
            if index > 0 && (digits.count - index).isMultiple(of: 3) { grouped.append(",") }
            grouped.append(digit)
        }
        return value < -0.5 ? "-" + grouped : grouped
    }

    static func rate(_ value: Double, _ unit: String) -> String {
        count(value) + " " + unit
    }

    /// Far below 1: three significant digits, and a plain 0 only for none at all.
    static func fraction(_ value: Double) -> String {
        value == 0 ? "0" : String(format: value < 0.001 ? "%.1e" : "%.3g", value)
    }

    /// A short time, with two digits after the point below 100 us.
    static func microseconds(_ value: Double) -> String {
        value < 100 ? String(format: "%.2f us", value) : count(value) + " us"
    }

    static func latency(_ value: Double) -> String {
        value < 10_000 ? count(value) + " us" : String(format: "%.1f ms", value / 1_000)
    }

    static func bytes(_ value: Double) -> String {
        count(value) + " B"
    }

    static func percent(_ value: Double) -> String {
        String(format: "%.0f %%", value * 100)
    }

    static func ratio(_ value: Double?) -> String {
        value.map { String(format: "%.2fx", $0) } ?? "-"
    }
}

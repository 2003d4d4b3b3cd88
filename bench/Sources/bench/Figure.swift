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

    static func ratio(_ value: Double) -> String {
        String(format: "%.2fx", value)
    }

    /// The median, and the quartiles in parentheses.
    static func spread(_ spread: Spread, _ text: (Double) -> String) -> String {
        "\(text(spread.median)) (\(text(spread.lower)) - \(text(spread.upper)))"
    }

    /// A ratio with its quartiles; "none" where they lie on both sides of 1.
    static func difference(_ ratio: Spread) -> String {
        ratio.saysNothing ? "none (\(Self.ratio(ratio.lower)) - \(Self.ratio(ratio.upper)))" : spread(ratio, Self.ratio)
    }
}

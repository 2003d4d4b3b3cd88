#if Command
/// Numbers for people to read.
enum Figure {
    /// 1234567 as "1,234,567".
    static func count(_ value: UInt64) -> String {
        var groups: [String] = []
        var rest = value
        while rest >= 1_000 {
            let group = String(rest % 1_000)
            groups.append(String(repeating: "0", count: 3 - group.count) + group)
            rest /= 1_000
        }
        return ([String(rest)] + groups.reversed()).joined(separator: ",")
    }

    /// "512 B", "1.5 KiB", "2.3 GiB".
    static func bytes(_ value: UInt64) -> String {
        guard value >= 1_024 else { return "\(value) B" }
        var scaled = Double(value) / 1_024
        var units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"][...]
        while scaled >= 1_023.95, units.count > 1 {
            scaled /= 1_024
            units = units.dropFirst()
        }
        return "\(rounded(scaled, decimals: 1)) \(units.first!)"
    }

    /// At most 5 characters: "9999", "12.3K", "1.23M". In steps of 1,000 or, for bytes, of 1,024.
    static func short(_ value: UInt64, step: Double = 1_000) -> String {
        guard value >= 10_000 else { return String(value) }
        var scaled = Double(value) / step
        var units = ["K", "M", "G", "T", "P", "E"][...]
        while scaled >= step * 0.999_5, units.count > 1 {
            scaled /= step
            units = units.dropFirst()
        }
        let decimals = scaled < 9.995 ? 2 : scaled < 99.95 ? 1 : 0
        return (decimals == 0 ? String(whole(scaled)) : rounded(scaled, decimals: decimals)) + units.first!
    }

    /// "85.3 µs", "12.4 ms", "1.52 s".
    static func nanoseconds(_ value: UInt64) -> String {
        switch value {
        case ..<1_000_000: "\(rounded(Double(value) / 1e3, decimals: 1)) µs"
        case ..<1_000_000_000: "\(rounded(Double(value) / 1e6, decimals: 2)) ms"
        default: "\(rounded(Double(value) / 1e9, decimals: 2)) s"
        }
    }

    /// "3 connections", "1 connection".
    static func counted(_ count: Int, _ noun: String, plural: String? = nil) -> String {
        count == 1 ? "1 \(noun)" : "\(count) \(plural ?? noun + "s")"
    }

    /// The nearest whole number, or the nearest that fits.
    static func whole(_ value: Double) -> UInt64 {
        let rounded = value.rounded()
        return rounded >= 0x1p64 ? .max : rounded >= 0 ? UInt64(rounded) : 0
    }

    /// With exactly this many decimals.
    static func rounded(_ value: Double, decimals: Int) -> String {
        let scale = (0..<decimals).reduce(1) { scale, _ in scale * 10 }
        let scaled = whole(value * Double(scale))
        let fraction = String(scaled % UInt64(scale))
        let zeros = String(repeating: "0", count: decimals - fraction.count)
        return "\(scaled / UInt64(scale)).\(zeros)\(fraction)"
    }
}
#endif

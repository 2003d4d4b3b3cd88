#if Command
/// Numbers as a row of bars, the oldest at the left.
struct TopSparkline {
    /// From nothing to the largest.
    private let bars: [Character]

    /// - Parameter usesUnicode: whether the terminal shows block elements.
    init(usesUnicode: Bool) {
        bars = Array(usesUnicode ? "▁▂▃▄▅▆▇█" : "_.-~=+*#")
    }

    /// At most `width` bars. Where there are more values, each bar is the mean of as many as it takes.
    func text(_ values: [UInt64], width: Int) -> String {
        guard width > 0, !values.isEmpty else { return "" }
        let group = (values.count + width - 1) / width
        // Groups end at the newest value, so that a bar does not change its values with every new one at the front.
        let short = values.count % group
        var means: [Double] = short == 0 ? [] : [mean(values[..<short])]
        for start in stride(from: short, to: values.count, by: group) {
            means.append(mean(values[start..<start + group]))
        }
        let largest = means.max() ?? 0
        return String(
            means.map { value in
                guard largest > 0 else { return bars[0] }
                return bars[min(bars.count - 1, Int(value / largest * Double(bars.count)))]
            })
    }

    private func mean(_ values: ArraySlice<UInt64>) -> Double {
        values.reduce(0.0) { $0 + Double($1) } / Double(values.count)
    }
}
#endif

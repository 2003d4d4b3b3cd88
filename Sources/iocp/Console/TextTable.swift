#if Command
/// Rows of cells as lines, every column as wide as its widest cell.
struct TextTable {
    /// Figures go to the right, and words to the left.
    enum Alignment { case left, right }

    let lines: [String]

    init(_ header: [String], _ rows: [[String]], alignment: Alignment = .right) {
        let all = [header] + rows
        let widths = header.indices.map { column in all.map { $0[column].count }.max() ?? 0 }
        lines = all.map { row in
            row.indices.map { column in
                let padding = String(repeating: " ", count: widths[column] - row[column].count)
                return switch alignment {
                case .right: padding + row[column]
                case .left: column == row.indices.last ? row[column] : row[column] + padding
                }
            }.joined(separator: "  ")
        }
    }
}
#endif

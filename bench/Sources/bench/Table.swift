/// Rows of text in columns, rendered for a terminal or as Markdown.
struct Table {
    let headers: [String]
    /// How many columns, from the first, are aligned left; figures are aligned right.
    let leading: Int
    private(set) var rows: [[String]] = []

    init(headers: [String], leading: Int = 1) {
        self.headers = headers
        self.leading = leading
    }

    mutating func append(_ row: [String]) {
        precondition(row.count == headers.count, "a row has a cell for each header")
        rows.append(row)
    }

    var text: String {
        let widths = headers.indices.map { column in
            ([headers] + rows).map { $0[column].count }.max() ?? 0
        }
        return ([headers, widths.map { String(repeating: "-", count: $0) }] + rows)
            .map { line($0, widths: widths) }.joined(separator: "\n")
    }

    var markdown: String {
        let rule = headers.indices.map { $0 < leading ? ":--" : "--:" }
        return ([headers, rule] + rows)
            .map { "| " + $0.joined(separator: " | ") + " |" }.joined(separator: "\n")
    }

    private func line(_ cells: [String], widths: [Int]) -> String {
        cells.indices.map { column in
            let padding = String(repeating: " ", count: widths[column] - cells[column].count)
            return column < leading ? cells[column] + padding : padding + cells[column]
        }.joined(separator: "  ")
    }
}

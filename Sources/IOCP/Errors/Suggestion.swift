/// The known word that a misspelt one probably means.
package enum Suggestion {
    /// The known word nearest to `word`, if it is at most two slips away and not another word altogether.
    package static func nearest(to word: String, among known: [String]) -> String? {
        let best = known.map { (slips: slips(word.lowercased(), $0.lowercased()), word: $0) }.min { $0 < $1 }
        guard let best, best.slips <= 2, best.slips < best.word.count else { return nil }
        return best.word
    }

    /// Letters that were changed, left out, added, or swapped with their neighbour.
    private static func slips(_ one: String, _ other: String) -> Int {
        let (one, other) = (Array(one), Array(other))
        var rows = [Array(0...other.count)]
        for (row, letter) in one.enumerated() {
            var next = [row + 1]
            for (column, wanted) in other.enumerated() {
                var least = min(rows[row][column + 1] + 1, next[column] + 1)
                least = min(least, rows[row][column] + (letter == wanted ? 0 : 1))
                if row > 0, column > 0, letter == other[column - 1], one[row - 1] == wanted {
                    least = min(least, rows[row - 1][column - 1] + 1)
                }
                next.append(least)
            }
            rows.append(next)
        }
        return rows[one.count][other.count]
    }
}

/// Text as man(7) wants it.
enum Roff {
    private static let width = 78

    /// Escapes what roff would take for its own: backslashes, and hyphens that are to be copied from a terminal.
    static func escaped(_ text: some StringProtocol, verbatim: Bool = false) -> String {
        text.split(separator: " ", omittingEmptySubsequences: false).map { word in
            let isOption = word.drop { "([\"'".contains($0) }.hasPrefix("-")
            return word.unicodeScalars.map { scalar in
                switch scalar {
                case "\\": "\\e"
                case "-" where verbatim || isOption: "\\-"
                case _ where scalar.isASCII: String(scalar)
                default: "\\[u" + hexadecimal(scalar.value) + "]"
                }
            }.joined()
        }.joined(separator: " ")
    }

    private static func hexadecimal(_ value: UInt32) -> String {
        let digits = String(value, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }

    /// A paragraph in lines that an editor shows whole. No line begins with a sign that roff takes for a request.
    static func paragraph(_ text: some StringProtocol) -> [String] {
        var lines: [String] = []
        for word in escaped(text).split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(word.first == "." || word.first == "'" ? "\\&" + word : String(word))
            }
        }
        return lines
    }

    static func verbatim(_ line: some StringProtocol) -> String {
        let text = escaped(line, verbatim: true)
        return text.first == "." || text.first == "'" ? "\\&" + text : text
    }

    /// A text in the form of a discussion: paragraphs, and indented lines of which each stands for itself. An indented line
    /// with two columns is a term and its meaning.
    static func discussion(_ text: String) -> [String] {
        var lines: [String] = []
        var paragraph: [Substring] = []
        func endParagraph() {
            guard !paragraph.isEmpty else { return }
            lines += [".PP"] + Roff.paragraph(paragraph.joined(separator: " "))
            paragraph = []
        }
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if !line.hasPrefix("  ") {
                if line.allSatisfy({ $0 == " " }) { endParagraph() } else { paragraph.append(line) }
                continue
            }
            endParagraph()
            let content = line.drop { $0 == " " }
            if let gap = content.firstRange(of: "  ") {
                lines += [".TP", ".B " + verbatim(content[..<gap.lowerBound])]
                lines += Roff.paragraph(content[gap.upperBound...].drop { $0 == " " })
            } else {
                lines += [".TP", ".B " + verbatim(content)]
            }
        }
        endParagraph()
        return lines
    }
}

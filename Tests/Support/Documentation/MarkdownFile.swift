import Foundation

/// A document: its headings, and what it links to. Code, in blocks or within a line, has no links.
struct MarkdownFile {
    /// A link and the line, from 1, that has it.
    struct Link: Equatable {
        let target: String
        let line: Int
        let isImage: Bool
    }

    let anchors: Set<String>
    let links: [Link]
    /// Paths of documents that are named in code spans: `docs/TLS.md`.
    let namedDocuments: [Link]

    init(_ text: String) {
        var anchors: Set<String> = []
        var links: [Link] = []
        var named: [Link] = []
        var fence: Substring?
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let start = line.drop { $0 == " " }
            if let open = fence {
                if start.hasPrefix(open) { fence = nil }
                continue
            }
            if start.hasPrefix("```") || start.hasPrefix("~~~") {
                fence = start.prefix(3)
                continue
            }
            let (prose, spans) = MarkdownFile.split(line)
            if line.hasPrefix("#") {
                let heading = line.drop { $0 == "#" }
                if heading.hasPrefix(" ") { anchors.insert(MarkdownFile.anchor(of: heading, besides: anchors)) }
            }
            links += MarkdownFile.targets(in: prose).map { Link(target: $0.0, line: index + 1, isImage: $0.1) }
            named += spans.filter { $0.wholeMatch(of: /(docs|Examples)\/[\w.\/-]+\.md/) != nil }
                .map { Link(target: $0, line: index + 1, isImage: false) }
        }
        (self.anchors, self.links, namedDocuments) = (anchors, links, named)
    }

    /// As GitHub names the anchor of a heading.
    static func anchor(of heading: some StringProtocol, besides taken: Set<String> = []) -> String {
        let words = heading.lowercased().drop { $0 == " " }
        let kept = words.filter { $0.isLetter || $0.isNumber || $0 == " " || $0 == "-" || $0 == "_" }
        let name = String(kept.map { $0 == " " ? "-" : $0 })
        guard taken.contains(name) else { return name }
        return (1...).lazy.map { "\(name)-\($0)" }.first { !taken.contains($0) }!
    }

    /// A line without its code spans, and the code spans.
    private static func split(_ line: Substring) -> (prose: String, spans: [String]) {
        var prose = ""
        var spans: [String] = []
        var rest = line
        while let open = rest.firstRange(of: /`+/) {
            let mark = rest[open]
            guard let close = rest[open.upperBound...].firstRange(of: mark) else { break }
            prose += rest[..<open.lowerBound] + "code"
            spans.append(String(rest[open.upperBound..<close.lowerBound]))
            rest = rest[close.upperBound...]
        }
        return (prose + rest, spans)
    }

    private static func targets(in prose: String) -> [(String, Bool)] {
        let inline = prose.matches(of: /(!?)\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*([^)\s]*)(?:\s+"[^"]*")?\s*\)/)
            .map { (String($0.2), $0.1 == "!") }
        // The text of a link may hold an image with a link of its own.
        let nested = prose.matches(of: /!\[[^\]]*\]\(([^)\s]+)\)\]\(/).map { (String($0.1), true) }
        let automatic = prose.matches(of: /<((?:https?|doc):[^>\s]+)>/).map { (String($0.1), false) }
        let defined = prose.matches(of: /^\s{0,3}\[[^\]]+\]:\s+(\S+)/).map { (String($0.1), false) }
        return inline + nested + automatic + defined
    }
}

#if Command
/// What a piece of text means, for its colour.
enum TopStyle {
    case plain, faint, heading, strong
    /// Receives that wait for buffers.
    case starved
    /// Work that was refused.
    case refused
    /// A worker that stalls, or a process that is stopped or gone.
    case stalled

    /// The parameters of SGR (ECMA-48, 8.3.117); empty for none. Without colours a style is bold, reverse or nothing.
    func parameters(inColour: Bool) -> String {
        switch self {
        case .plain: ""
        case .faint: "2"
        case .heading: "7"
        case .strong: "1"
        case .starved: inColour ? "33" : "1"
        case .refused: inColour ? "35" : "1"
        case .stalled: inColour ? "1;31" : "1;7"
        }
    }
}

/// One row of the screen: pieces of text, each in a style.
struct TopLine: Equatable {
    struct Piece: Equatable {
        let text: String
        let style: TopStyle
    }
    private(set) var pieces: [Piece] = []

    init() {}

    init(_ text: String, _ style: TopStyle = .plain) { add(text, style) }

    mutating func add(_ text: String, _ style: TopStyle = .plain) {
        if !text.isEmpty { pieces.append(Piece(text: text, style: style)) }
    }

    /// Every character is one cell wide: numbers, words of this program, and names that were made so.
    var width: Int { pieces.reduce(0) { $0 + $1.text.count } }

    /// Spaces up to a width.
    mutating func fill(to width: Int, _ style: TopStyle) {
        add(String(repeating: " ", count: max(0, width - self.width)), style)
    }

    var text: String { pieces.map(\.text).joined() }
}

/// Rows as what a terminal is sent.
struct TopPainter {
    let inColour: Bool
    let usesUnicode: Bool

    /// - Parameter environment: asks for a variable. NO_COLOR (no-color.org) takes the colours away; a locale that is not of
    ///   UTF-8 takes all but ASCII away.
    init(environment: (String) -> String?) {
        inColour = (environment("NO_COLOR") ?? "").isEmpty
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].compactMap { environment($0) }.first { !$0.isEmpty } ?? ""
        usesUnicode = locale.lowercased().contains("utf-8") || locale.lowercased().contains("utf8")
    }

    /// - Parameter width: what is beyond it is cut.
    func text(_ line: TopLine, width: Int) -> String {
        var (text, left) = ("", width)
        for piece in line.pieces where left > 0 {
            let shown = piece.text.unicodeScalars.prefix(left).map { isShown($0) ? Character($0) : "?" }
            left -= shown.count
            let parameters = piece.style.parameters(inColour: inColour)
            text += parameters.isEmpty ? String(shown) : "\u{1b}[\(parameters)m\(String(shown))\u{1b}[0m"
        }
        return text
    }

    /// The last gate before the terminal: whatever a text is made of, it has no control character.
    private func isShown(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x7f ? scalar.value >= 0x20 : usesUnicode && scalar.value >= 0xa0
    }
}
#endif

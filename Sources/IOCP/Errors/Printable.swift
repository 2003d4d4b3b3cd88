extension String {
    /// The same text with everything spelled out that a terminal would obey or hide: control characters, and what
    /// turns the direction of text. For text that came from another process, from a peer, or from a file.
    package var printable: String {
        if utf8.allSatisfy({ (0x20..<0x7f).contains($0) }) { return self }
        var text = ""
        for scalar in unicodeScalars {
            switch scalar.properties.generalCategory {
            case .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate, .unassigned:
                text += "\\u{\(String(scalar.value, radix: 16))}"
            default:
                text.unicodeScalars.append(scalar)
            }
        }
        return text
    }
}

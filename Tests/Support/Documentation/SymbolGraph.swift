import Foundation

/// What the compiler says of a module's public symbols, as far as their documentation is concerned.
struct SymbolGraph: Decodable {
    let symbols: [Symbol]
    let relationships: [Relationship]

    struct Symbol: Decodable {
        let identifier: Identifier
        let pathComponents: [String]
        let docComment: Comment?
        let location: Location?
        let kind: Kind
        let functionSignature: Signature?

        struct Identifier: Decodable { let precise: String }
        struct Comment: Decodable { let lines: [Line] }
        struct Line: Decodable { let text: String }
        struct Kind: Decodable {
            let identifier: String
            let displayName: String
        }
        struct Location: Decodable {
            let uri: String
            let position: Position
        }
        struct Position: Decodable { let line: Int }
        struct Signature: Decodable {
            let parameters: [Parameter]?
            struct Parameter: Decodable {
                let name: String
                let internalName: String?
            }
        }
    }

    struct Relationship: Decodable {
        let source: String
        let sourceOrigin: Origin?

        struct Origin: Decodable { let identifier: String }
    }

    /// Symbols that a reader finds without a word on them: file, line and name of each.
    ///
    /// Not among them are members that a protocol of another module asks for (`Equatable.==`, `EventLoop.execute`), because what
    /// they mean is told there, and members that the compiler makes or lends from such a protocol, which stand nowhere in the
    /// sources. A requirement of a protocol of this module lends its comment to what fulfils it, so that is documented once.
    func undocumented(underRoot root: String) -> [String] {
        let lent = Set(relationships.filter { $0.sourceOrigin != nil }.map(\.source))
        return symbols.compactMap { symbol in
            let isDocumented = symbol.docComment?.lines.contains { !$0.text.allSatisfy(\.isWhitespace) } ?? false
            guard !isDocumented, !lent.contains(symbol.identifier.precise) else { return nil }
            // A block of an extension is a place, and no symbol that a program names.
            guard symbol.kind.identifier != "swift.extension" else { return nil }
            guard !symbol.identifier.precise.contains("::SYNTHESIZED::"), let location = symbol.location else {
                return nil
            }
            return location.words(underRoot: root) + ": \(symbol.kind.displayName) \(symbol.name) has no comment"
        }.sorted()
    }

    /// Comments that describe a parameter which the symbol does not have. Parameters without a description are none: a name
    /// and a type may say all.
    func misnamedParameters(underRoot root: String) -> [String] {
        let lent = Set(relationships.filter { $0.sourceOrigin != nil }.map(\.source))
        return symbols.flatMap { symbol -> [String] in
            // A comment that a requirement lends has the requirement's names.
            guard let location = symbol.location, !lent.contains(symbol.identifier.precise) else { return [] }
            guard let parameters = symbol.functionSignature?.parameters else { return [] }
            let known = Set(parameters.flatMap { [$0.name, $0.internalName ?? $0.name] })
            return symbol.describedParameters.filter { !known.contains($0) }.map {
                location.words(underRoot: root) + ": \(symbol.name) has no parameter \($0)"
            }
        }.sorted()
    }
}

extension SymbolGraph.Symbol {
    fileprivate var name: String { pathComponents.joined(separator: ".") }

    /// The names behind "- Parameter" and below "- Parameters:".
    fileprivate var describedParameters: [String] {
        var isWithinList = false
        return (docComment?.lines ?? []).compactMap { line in
            if let one = line.text.firstMatch(of: /^\s*- Parameter (\w+):/) { return String(one.1) }
            if line.text.contains(/^\s*- Parameters:/) {
                isWithinList = true
            } else if line.text.hasPrefix("- ") {
                isWithinList = false
            } else if isWithinList, let item = line.text.firstMatch(of: /^\s+- (\w+):/) {
                return String(item.1)
            }
            return nil
        }
    }
}

extension SymbolGraph.Symbol.Location {
    /// The file and the line, from 1.
    fileprivate func words(underRoot root: String) -> String {
        uri.replacing("file://", with: "").replacing(root + "/", with: "") + ":\(position.line + 1)"
    }
}

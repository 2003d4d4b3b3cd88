/// Which file of a room of the core uses functions of which other file, read from the sources.
///
/// A function belongs to the file that defines it, starting in the first column, without `static`. Another file uses it if
/// its code names it, in a call or in a table of functions, and has no function of that name itself.
struct CallGraph {
    /// A file, and the files whose functions it uses.
    private(set) var uses: [String: Set<String>] = [:]

    /// `sources`: the text of each .c file of one room, by its name.
    init(_ sources: [String: String]) {
        var home: [Substring: String] = [:]
        let codes = sources.mapValues(Self.code)
        let functions = codes.mapValues(Self.definitions)
        for (file, defined) in functions {
            for function in defined where !function.isStatic { home[function.name] = file }
        }
        for (file, code) in codes {
            let own = Set(functions[file, default: []].map(\.name))
            uses[file] = Set(Self.names(code).filter { !own.contains($0) }.compactMap { home[$0] })
        }
    }

    /// Files that use each other, directly or through others: each group once, sorted.
    var circles: [[String]] {
        var groups: Set<[String]> = []
        let reached = uses.keys.reduce(into: [String: Set<String>]()) { $0[$1] = reachable(from: $1) }
        for (file, others) in reached where others.contains(file) {
            groups.insert(others.filter { reached[$0]?.contains(file) == true }.sorted())
        }
        return groups.sorted { $0.lexicographicallyPrecedes($1) }
    }

    /// The longest way from a file to the ones it uses, in files, itself included. Only where there are no circles.
    func depth(of file: String) -> Int {
        1 + (uses[file] ?? []).map { depth(of: $0) }.reduce(0, max)
    }

    private func reachable(from file: String) -> Set<String> {
        var found: Set<String> = []
        var open = Array(uses[file] ?? [])
        while let next = open.popLast() {
            if found.insert(next).inserted { open += uses[next] ?? [] }
        }
        return found
    }

    // MARK: - Reading C

    /// The text without comments, strings and preprocessor lines.
    static func code(_ text: String) -> String {
        var result = ""
        var rest = Substring(text)
        while let first = rest.first {
            if rest.hasPrefix("/*") {
                rest = rest.dropFirst(2)
                while !rest.isEmpty, !rest.hasPrefix("*/") { rest = rest.dropFirst() }
                rest = rest.dropFirst(2)
                result += " "
            } else if first == "\"" {
                rest = rest.dropFirst()
                while let character = rest.first, character != "\"" { rest = rest.dropFirst(character == "\\" ? 2 : 1) }
                rest = rest.dropFirst()
                result += "\"\""
            } else {
                result.append(first)
                rest = rest.dropFirst()
            }
        }
        return result.split(separator: "\n", omittingEmptySubsequences: false).filter { !$0.hasPrefix("#include") }
            .joined(separator: "\n")
    }

    private static func isName(_ character: Character) -> Bool {
        character == "_" || (character.isASCII && (character.isLetter || character.isNumber))
    }

    private static func names(_ code: String) -> [Substring] {
        code.split { !isName($0) }.filter { $0.first?.isNumber == false }
    }

    /// "type *name(" in the first column, followed by a body.
    private static func definitions(_ code: String) -> [(name: Substring, isStatic: Bool)] {
        let lines = code.split(separator: "\n", omittingEmptySubsequences: false)
        var found: [(name: Substring, isStatic: Bool)] = []
        for (index, line) in lines.enumerated() {
            guard let first = line.first, isName(first), !line.hasPrefix("typedef "),
                let open = line.firstIndex(of: "("), let name = names(String(line[..<open])).last,
                names(String(line[..<open])).count > 1
            else { continue }
            /* The body begins before any statement or declaration ends. */
            for following in lines[index...] {
                if following.contains(";") { break }
                if following.hasPrefix("{") {
                    found.append((Substring(String(name)), line.hasPrefix("static ")))
                    break
                }
            }
        }
        return found
    }
}

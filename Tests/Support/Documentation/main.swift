import Foundation

/// What the project's documents are made and checked with:
///
///     iocp-docs man COMMAND ROOT             writes manual pages and completions of the command, and says which changed
///     iocp-docs man --check COMMAND ROOT     exits 1 where that would change something
///     iocp-docs links ROOT                   exits 1 with a line for each link of a document that leads nowhere
///     iocp-docs comments ROOT GRAPH...       exits 1 with a line for each public symbol whose comment is missing or wrong
///     iocp-docs topics ARCHIVE MODULE        exits 1 with a line for each symbol without a place on the module's page
func fail(_ words: String, status: Int32) -> Never {
    FileHandle.standardError.write(Data((words + "\n").utf8))
    exit(status)
}

func failing(_ problems: [String]) {
    if !problems.isEmpty { fail(problems.joined(separator: "\n"), status: 1) }
}

func folder(_ path: String) -> URL { URL(fileURLWithPath: path).standardizedFileURL }

let arguments = Array(CommandLine.arguments.dropFirst())
do {
    switch (arguments.first, arguments.count) {
    case ("man", 3): try GeneratedFiles(of: arguments[1], in: folder(arguments[2])).write()
    case ("man", 4) where arguments[1] == "--check":
        failing(try GeneratedFiles(of: arguments[2], in: folder(arguments[3])).stale)
    case ("links", 2):
        let check = try LinkCheck(root: folder(arguments[1]))
        failing(check.problems)
        print("\(check.linkCount) links of \(check.documentCount) documents lead somewhere")
    case ("comments", 3...):
        let root = folder(arguments[1]).path
        failing(
            try arguments[2...].flatMap { path in
                let graph = try JSONDecoder().decode(
                    SymbolGraph.self, from: Data(contentsOf: URL(fileURLWithPath: path)))
                return graph.undocumented(underRoot: root) + graph.misnamedParameters(underRoot: root)
            })
    case ("topics", 3): failing(try ModulePage(of: arguments[2], archive: folder(arguments[1])).withoutPlace)
    default:
        fail(
            "usage: iocp-docs man [--check] COMMAND ROOT | links ROOT | comments ROOT GRAPH... | topics ARCHIVE MODULE",
            status: 64)
    }
} catch {
    fail("iocp-docs: \(error)", status: 1)
}

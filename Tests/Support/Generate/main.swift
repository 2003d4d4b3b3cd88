import Foundation

/// Writes what repeats the table of counters (iocp_stats_fields.h), and says what it changed:
///
///     iocp-generate ROOT          writes
///     iocp-generate --check ROOT  exits 1 where that would change something
///
/// It links the core alone, so it can be built while the Swift layer does not fit the table.
let arguments = CommandLine.arguments.dropFirst()
let writes = arguments.first != "--check"
guard let root = arguments.last, arguments.count == (writes ? 1 : 2) else {
    FileHandle.standardError.write(Data("usage: iocp-generate [--check] ROOT\n".utf8))
    exit(64)
}

do {
    var stale = 0
    for (path, render) in [
        ("Sources/IOCP/Observation/StatsFields.swift", SwiftProperties.file),
        ("docs/STATS.md", FieldTable.document),
    ] {
        let file = URL(fileURLWithPath: root).appending(path: path)
        let present = try? String(contentsOf: file, encoding: .utf8)
        let due = try render(present ?? "")
        guard due != present else { continue }
        stale += 1
        print(writes ? "wrote \(path)" : "\(path) is not what the table says: make generate")
        if writes { try due.write(to: file, atomically: true, encoding: .utf8) }
    }
    exit(writes || stale == 0 ? 0 : 1)
} catch {
    FileHandle.standardError.write(Data("iocp-generate: \(error)\n".utf8))
    exit(1)
}

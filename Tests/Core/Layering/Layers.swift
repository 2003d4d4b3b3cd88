/// The rule of the house: which room of the core may include which.
///
/// Floors, from the top: port.c -> worker -> {driver, connection} -> memory -> {system, stats} -> base -> include.
enum Layers {
    struct Violation: Error, Equatable, CustomStringConvertible {
        let file: String
        let included: String
        let reason: String
        var description: String { "\(file) includes \(included): \(reason)" }
    }

    private static let floors = [
        "include": 0, "base": 1, "system": 2, "stats": 2, "memory": 3, "offload": 3, "driver": 4, "connection": 4,
        "worker": 5, "port_config.h": 5, "port_state.h": 6, "port.c": 7, "port_config.c": 7, "port_capacity.h": 6, "port_capacity.c": 7, "port_listen.c": 7,
        "port_post.c": 7, "port_counters.c": 7, "port_threads.c": 7, "port_admin.c": 7,
    ]

    /// Where alone a header of a dependency may be named.
    private static let rooms = ["liburing.h": "driver/uring", "sys/epoll.h": "driver/epoll", "numa.h": "system", "numaif.h": "system"]

    /// What the lines of one file, named by its path in the core, break.
    static func violations(in file: String, lines: some Sequence<some StringProtocol>) -> [Violation] {
        lines.compactMap { includedHeader(String($0)) }.compactMap { header in
            reason(file, header).map { Violation(file: file, included: header.name, reason: $0) }
        }
    }

    private struct Header {
        let name: String
        let isQuoted: Bool
    }

    private static func includedHeader(_ line: String) -> Header? {
        var rest = line.drop(while: \.isWhitespace)
        guard rest.first == "#" else { return nil }
        rest = rest.dropFirst().drop(while: \.isWhitespace)
        guard rest.hasPrefix("include") || rest.hasPrefix("import") else { return nil }
        rest = rest.drop { $0 != "\"" && $0 != "<" }
        guard let open = rest.first else { return nil }
        let name = rest.dropFirst().prefix { $0 != "\"" && $0 != ">" }
        return Header(name: String(name), isQuoted: open == "\"")
    }

    private static func reason(_ file: String, _ header: Header) -> String? {
        if !header.isQuoted {
            guard let room = rooms[header.name] else { return nil }
            return file.hasPrefix(room + "/") || file == room + ".c" ? nil : "only \(room) may"
        }
        guard let target = resolve(header.name, from: file) else { return "it lies outside of the core" }
        let from = room(of: file), to = room(of: target)
        guard let own = floors[from] else { return "\(from) is no room of the house" }
        guard let other = floors[to] else { return "\(to) is no room of the house" }
        if from == to {
            return driver(of: file, mayInclude: target) ? nil : "drivers do not know each other"
        }
        if to == "driver" && target != "driver/driver.h" { return "the seam is driver.h" }
        return other < own ? nil : "\(to) is not below \(from)"
    }

    private static func room(of path: String) -> String { path.split(separator: "/").first.map(String.init) ?? path }

    /// Within driver/, the drivers are rooms of their own behind driver.h.
    private static func driver(of file: String, mayInclude target: String) -> Bool {
        let from = file.split(separator: "/"), to = target.split(separator: "/")
        guard from.first == "driver", to.count > 2 else { return true }
        return from.count > 2 && from[1] == to[1]
    }

    /// A relative include as a path in the core; nil when it leaves it.
    private static func resolve(_ name: String, from file: String) -> String? {
        var parts = file.split(separator: "/").dropLast()
        for part in name.split(separator: "/") {
            if part == ".." {
                if parts.popLast() == nil { return nil }
            } else if part != "." {
                parts.append(part)
            }
        }
        return parts.joined(separator: "/")
    }

    /// Modules a Swift file imports.
    static func imports(_ lines: some Sequence<some StringProtocol>) -> [String] {
        lines.compactMap { line in
            var words = String(line).split(whereSeparator: \.isWhitespace).map(String.init)
            let modifiers: Set = ["public", "package", "internal", "fileprivate", "private", "unsafe"]
            while let first = words.first, first.hasPrefix("@") || modifiers.contains(first) { words.removeFirst() }
            guard words.first == "import", words.count > 1 else { return nil }
            let kinds: Set = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
            let name = kinds.contains(words[1]) && words.count > 2 ? words[2] : words[1]
            return String(name.prefix { $0 != "." && $0 != ";" })
        }
    }
}

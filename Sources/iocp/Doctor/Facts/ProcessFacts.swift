#if Command
/// This process as the kernel describes it: /proc/self/status and /proc/self/limits.
struct ProcessFacts {
    let userID: Reading<Int>
    let groupIDs: Reading<[Int]>
    let capabilities: Reading<UInt64>
    /// 0: none; 1: strict; 2: a filter.
    let seccomp: Reading<Int>
    let noNewPrivileges: Reading<Bool>
    let cpusAllowed: Reading<[Int]>
    let openFiles: Reading<ResourceLimit>
    let lockedBytes: Reading<ResourceLimit>
    let processes: Reading<ResourceLimit>

    /// Numbers of capabilities(7).
    enum Capability: UInt64 {
        case lockMemory = 14
        case administer = 21
        case overrideLimits = 24
    }

    init(_ files: SystemFiles) {
        let status = files.text("/proc/self/status").map(ProcessFacts.fields)
        func field<Value>(_ name: String, _ parse: (String) -> Value?) -> Reading<Value> {
            status.flatMap { fields in
                guard let text = fields[name] else { return .unknown("/proc/self/status has no line \(name)") }
                return parse(text).map { .found($0) } ?? .unknown("\(name) in /proc/self/status makes no sense")
            }
        }
        // Real, effective, saved, file system.
        userID = field("Uid") { Number.parse($0, count: 4)?[1] }
        let primary = field("Gid") { Number.parse($0, count: 4)?[1] }
        let others = field("Groups") { text in
            text.split(whereSeparator: \.isWhitespace).compactMap { Number.parse($0) }
        }
        groupIDs = primary.flatMap { primary in others.map { [primary] + $0 } }
        capabilities = field("CapEff") { UInt64($0, radix: 16) }
        seccomp = field("Seccomp") { Number.parse($0) }
        noNewPrivileges = field("NoNewPrivs") { text in Number.parse(text).map { $0 != 0 } }
        cpusAllowed = field("Cpus_allowed_list", NumberList.parse)

        let limits = files.text("/proc/self/limits")
        func limit(_ name: String) -> Reading<ResourceLimit> {
            limits.flatMap { text in
                ResourceLimit(name, in: text).map { .found($0) } ?? .unknown("/proc/self/limits does not tell \(name)")
            }
        }
        openFiles = limit("Max open files")
        lockedBytes = limit("Max locked memory")
        processes = limit("Max processes")
    }

    /// Nil where the capabilities are unknown.
    func has(_ capability: Capability) -> Bool? {
        capabilities.value.map { $0 >> capability.rawValue & 1 == 1 }
    }

    private static func fields(_ text: String) -> [String: String] {
        var fields: [String: String] = [:]
        for line in text.split(separator: "\n") {
            guard let colon = line.firstIndex(of: ":") else { continue }
            let value = line[line.index(after: colon)...].drop(while: \.isWhitespace)
            fields[String(line[..<colon])] = String(value)
        }
        return fields
    }
}

/// A limit of getrlimit(2): what is in force, and how far a process without privileges may raise it.
struct ResourceLimit {
    let soft: Int
    let hard: Int

    static let unlimited = Number.most

    /// A line of /proc/self/limits: name, soft, hard and, for most, a unit.
    init?(_ name: String, in text: String) {
        guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name + " ") }) else { return nil }
        let words = line.dropFirst(name.count).split(whereSeparator: \.isWhitespace)
        guard words.count >= 2, let soft = ResourceLimit.parse(words[0]), let hard = ResourceLimit.parse(words[1])
        else { return nil }
        (self.soft, self.hard) = (soft, hard)
    }

    private static func parse(_ word: Substring) -> Int? { word == "unlimited" ? unlimited : Number.parse(word) }
}
#endif

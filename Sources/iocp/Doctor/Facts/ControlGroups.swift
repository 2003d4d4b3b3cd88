#if Command
/// The control groups of this process, of either version, as /proc/self/cgroup names them.
struct ControlGroups {
    private let files: SystemFiles
    private let entries: Reading<[Entry]>

    private struct Entry {
        /// Empty for version 2.
        let controllers: [Substring]
        let path: Substring
    }

    init(_ files: SystemFiles) {
        self.files = files
        entries = files.text("/proc/self/cgroup").map { text in
            text.split(separator: "\n").compactMap { line in
                let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
                guard parts.count == 3 else { return nil }
                return Entry(controllers: parts[1].split(separator: ","), path: parts[2])
            }
        }
    }

    /// The least value of a file along the path to the root, with what is used of it; nil where nothing limits it.
    func least(
        _ controller: String, version2: String, version1: String, used: (version2: String, version1: String)
    ) -> Reading<(limit: Int, used: Int?)?> {
        entries.map { entries in
            var least: (limit: Int, used: Int?)?
            for entry in entries {
                let isVersion2 = entry.controllers.isEmpty
                guard isVersion2 || entry.controllers.contains(Substring(controller)) else { continue }
                let mounts =
                    isVersion2 ? ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"] : ["/sys/fs/cgroup/\(controller)"]
                for folder in mounts.flatMap({ ControlGroups.folders($0, entry.path) }) {
                    let name = folder + "/" + (isVersion2 ? version2 : version1)
                    // "max" is no number, and no limit either.
                    guard let limit = files.number(name).value, limit < Number.most else { continue }
                    if let known = least, known.limit <= limit { continue }
                    least = (limit, files.number(folder + "/" + (isVersion2 ? used.version2 : used.version1)).value)
                }
            }
            return least
        }
    }

    /// A group and those above it. In a container the path may be the host's, and what is mounted the container's own
    /// group: then only the last one is there.
    private static func folders(_ mount: String, _ path: Substring) -> [String] {
        let steps = path.split(separator: "/").prefix(32)
        return (0...steps.count).reversed().map { count in
            ([mount] + steps.prefix(count).map(String.init)).joined(separator: "/")
        }
    }
}
#endif

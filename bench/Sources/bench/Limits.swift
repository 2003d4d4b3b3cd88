import Foundation

/// What this machine lets one process have; it bounds how many connections each model can hold.
struct Limits: Codable {
    /// RLIMIT_NOFILE, hard: the servers raise their own soft limit to it.
    var descriptors: Int
    /// Threads one process can start.
    var threads: Int

    static func current() -> Limits {
        Limits(
            descriptors: processLimit("Max open files") ?? 1_024,
            threads: threadsMax())
    }

    /// The tightest of the limits that a thread counts against. A stack with its guard page takes
    /// two mappings; a part of each limit belongs to what runs already.
    private static func threadsMax() -> Int {
        let bounds = [
            processLimit("Max processes"),
            kernelNumber("/proc/sys/kernel/threads-max"),
            kernelNumber("/proc/sys/kernel/pid_max"),
            kernelNumber("/proc/sys/vm/max_map_count").map { $0 / 2 },
            kernelNumber("/sys/fs/cgroup/pids.max"),
        ]
        return (bounds.compactMap(\.self).min() ?? 1_000) * 9 / 10
    }

    /// The hard limit of that name; `nil` when there is none.
    private static func processLimit(_ name: String) -> Int? {
        let text = try? String(contentsOfFile: "/proc/self/limits", encoding: .utf8)
        let line = text?.split(separator: "\n").first { $0.hasPrefix(name) }
        let values = line?.dropFirst(name.count).split(separator: " ")
        return values?.dropFirst().first.flatMap { Int($0) }
    }

    private static func kernelNumber(_ path: String) -> Int? {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return nil }
        return Int(text.trimmingCharacters(in: .whitespacesAndNewlines))
    }
}

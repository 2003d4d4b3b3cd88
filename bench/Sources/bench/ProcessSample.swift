import Foundation

/// What the kernel says about a process and the machine's network memory, at one moment.
enum ProcessSample {
    /// CPU time of all threads of `pid`, ended ones included, or `nil` once it is gone.
    ///
    /// The process clock is the sum of the first fields of `/proc/PID/task/*/schedstat`, but it
    /// takes one call instead of one read per thread, is up to date within a tick, and does not
    /// shrink when a thread-per-connection server's threads end.
    static func cpuTime(of pid: pid_t) -> Duration? {
        var clock = clockid_t()
        var time = timespec()
        guard clock_getcpuclockid(pid, &clock) == 0, clock_gettime(clock, &time) == 0 else {
            return nil
        }
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    /// How long `cpus` have been idle since the machine started, all of them together.
    static func idleTime(of cpus: Set<Int>) throws -> Duration {
        let lines = try text("/proc/stat").split(separator: "\n")
        let ticksPerSecond = sysconf(Int32(_SC_CLK_TCK))
        var idle: Duration = .zero
        for cpu in cpus {
            let fields = lines.first { $0.hasPrefix("cpu\(cpu) ") }?.split(separator: " ") ?? []
            // name user nice system idle iowait ...
            guard fields.count > 5, let resting = Int(fields[4]), let waiting = Int(fields[5]) else {
                throw Failure("/proc/stat has no idle time of CPU \(cpu)")
            }
            idle += .milliseconds((resting + waiting) * 1_000 / ticksPerSecond)
        }
        return idle
    }

    /// Memory of the process that is resident now, in bytes.
    static func residentBytes(of pid: pid_t) throws -> Int {
        try kibibytes("VmRSS", in: "/proc/\(pid)/status")
    }

    static func threads(of pid: pid_t) throws -> Int {
        try number(after: "Threads:", in: text("/proc/\(pid)/status"))
    }

    static func openDescriptors(of pid: pid_t) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd").count
    }

    /// Kernel memory that connections, and the threads that serve them, are made of, for the whole
    /// machine, in bytes: slab objects, TCP buffers, kernel stacks and page tables.
    static func kernelBytes() throws -> Int {
        let meminfo = "/proc/meminfo"
        let sizes = try ["Slab", "KernelStack", "PageTables"].map { try kibibytes($0, in: meminfo) }
        return try sizes.reduce(0, +) + tcp("mem") * Int(getpagesize())
    }

    /// TCP and Unix stream sockets that are not closed yet, on the whole machine.
    static func socketsInUse() throws -> Int {
        // Lines of: name, size, sockets ...
        let rows = try text("/proc/net/protocols").split(separator: "\n").map { $0.split(separator: " ") }
        return rows.filter { ["TCP", "TCPv6", "UNIX", "UNIX-STREAM"].contains($0[0]) }
            .reduce(0) { $0 + (Int($1[2]) ?? 0) }
    }

    /// Connections to `address` that are established for their clients but not accepted yet.
    ///
    /// A client cannot tell them from accepted ones, so without this a server that stopped
    /// accepting would seem to hold them. For a listening socket, the receive queue is the number
    /// of those; servers with several listeners on the port have a line for each. /proc does not tell it of a Unix
    /// socket, so there it is 0.
    static func connectionsInBacklog(of address: ServerAddress) throws -> Int {
        guard case .port(let port) = address else { return 0 }
        // Listening sockets come first, so one read is enough and none walks all connections.
        guard let file = FileHandle(forReadingAtPath: "/proc/net/tcp") else {
            throw Failure("cannot read /proc/net/tcp")
        }
        defer { try? file.close() }
        let head = try file.read(upToCount: 4_096) ?? Data()
        let listening = "0A"
        var waiting = 0
        for line in String(decoding: head, as: UTF8.self).split(separator: "\n").dropFirst() {
            let fields = line.split(separator: " ")
            guard fields.count > 4, fields[3] == listening else { break }
            guard let local = fields[1].split(separator: ":").last, Int(local, radix: 16) == port,
                let queue = fields[4].split(separator: ":").last.flatMap({ Int($0, radix: 16) })
            else { continue }
            waiting += queue
        }
        return waiting
    }

    private static func tcp(_ field: String) throws -> Int {
        let lines = try text("/proc/net/sockstat").split(separator: "\n")
        guard let line = lines.first(where: { $0.hasPrefix("TCP:") }) else {
            throw Failure("/proc/net/sockstat has no line for TCP")
        }
        return try number(after: "\(field) ", in: String(line))
    }

    private static func kibibytes(_ field: String, in path: String) throws -> Int {
        try number(after: "\(field):", in: text(path)) * 1024
    }

    private static func number(after name: String, in text: String) throws -> Int {
        guard let range = text.range(of: name) else { throw Failure("no '\(name)' in /proc") }
        let digits = text[range.upperBound...].drop { $0 == " " || $0 == "\t" }
            .prefix { $0.isNumber }
        guard let value = Int(digits) else { throw Failure("'\(name)' in /proc has no number") }
        return value
    }

    private static func text(_ path: String) throws -> String {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else {
            throw Failure("cannot read \(path)")
        }
        return text
    }
}

#if Command
import IOCP
import SoakSystem

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A server under test: this program again, as a process of its own, so that its memory, time and descriptors are its
/// own too. Killed and reaped at the latest when the value goes.
final class ServerProcess {
    let port: Int
    private let pid: pid_t
    private let orders: Int32
    private let answers: UnsafeMutablePointer<FILE>
    private var stats: PortStats
    private var isReaped = false

    typealias Report = [String: Int]

    init(_ driver: Driver, workers: Int = 1, _ options: [String: Int] = [:]) throws {
        let arguments =
            ["/proc/self/exe", "server", "--driver", "\(driver)", "--workers", "\(workers)"]
            + options.flatMap { ["--\($0.key)", "\($0.value)"] }
        var (down, up): ([Int32], [Int32]) = ([0, 0], [0, 0])
        guard pipe(&down) == 0, pipe(&up) == 0 else { throw Failure.system("pipe") }
        // The child gets its ends by dup2 alone.
        for end in down + up { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, down[0], 0)
        posix_spawn_file_actions_adddup2(&actions, up[1], 1)
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        var child: pid_t = 0
        let result = posix_spawn(&child, arguments[0], &actions, nil, &words, environ)
        close(down[0])
        close(up[1])
        guard result == 0 else { throw Failure("the server does not start: \(String(cString: strerror(result)))") }
        (pid, orders, answers) = (child, down[1], fdopen(up[0], "r"))

        let greeting = "listening on "
        do {
            guard let line = ServerProcess.line(answers), line.hasPrefix(greeting),
                let port = Int(line.dropFirst(greeting.count))
            else { throw Failure("the server did not listen") }
            self.port = port
            stats = try PortStats(processID: child)
        } catch {
            kill(child, SIGKILL)
            waitpid(child, nil, 0)
            close(down[1])
            fclose(answers)
            throw error
        }
    }

    deinit {
        if !isReaped {
            kill(pid, SIGKILL)
            waitpid(pid, nil, 0)
            close(orders)
        }
        fclose(answers)
    }

    private static func line(_ file: UnsafeMutablePointer<FILE>) -> String? {
        var buffer = [CChar](repeating: 0, count: 4096)
        guard fgets(&buffer, Int32(buffer.count), file) != nil else { return nil }
        return String(decoding: buffer.prefix { $0 != 0 && $0 != 10 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    // MARK: Orders

    func report() throws -> Report { try order("report") }

    /// Gives back what connections asked to hold.
    func release() throws { _ = try order("release") }

    /// Closes every connection that never said anything.
    func dismiss() throws { _ = try order("dismiss") }

    /// Stops the whole process where it is, as a debugger or a laptop's lid does.
    func pause() { kill(pid, SIGSTOP) }

    func resume() { kill(pid, SIGCONT) }

    private func order(_ order: String) throws -> Report {
        let text = order + "\n"
        guard write(orders, text, text.utf8.count) == text.utf8.count else { throw Failure.system("the server") }
        return try answer()
    }

    private func answer() throws -> Report {
        guard let line = ServerProcess.line(answers) else { throw Failure("the server ended by itself") }
        var report: Report = [:]
        for word in line.split(separator: " ") {
            let parts = word.split(separator: "=")
            if parts.count == 2 { report[String(parts[0])] = Int(parts[1]) }
        }
        return report
    }

    /// Asks it to end; its last report.
    func stop() throws -> Report {
        close(orders)
        defer { isReaped = true }
        let last = Result { try answer() }
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
        guard status == 0 else { throw Failure("the server ended with wait status \(status)") }
        return try last.get()
    }

    // MARK: Figures

    /// The counters of all its workers, as of now.
    var counters: WorkerStats {
        // A server that cut its page short would show in what it answers.
        try? stats.refresh()
        var sum = WorkerStats()
        for index in 0..<stats.workerCount { sum += stats[index] }
        return sum
    }

    /// Of all its threads.
    var cpuTime: Duration {
        var clock = clockid_t()
        var time = timespec()
        guard clock_getcpuclockid(pid, &clock) == 0, clock_gettime(clock, &time) == 0 else { return .zero }
        return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    }

    func residentBytes() throws -> Int {
        guard let file = fopen("/proc/\(pid)/statm", "r") else { throw Failure.system("statm") }
        defer { fclose(file) }
        let fields = (ServerProcess.line(file) ?? "").split(separator: " ")
        guard fields.count > 1, let pages = Int(fields[1]) else { throw Failure("statm is unreadable") }
        return pages * Int(getpagesize())
    }

    /// How many it has, but for pipes: a port opens none, and ThreadSanitizer two to its symbolizer when it first asks.
    func openDescriptors() throws -> Int {
        var target = [CChar](repeating: 0, count: 64)
        return try descriptors().count { number in
            let count = readlink("/proc/\(pid)/fd/\(number)", &target, target.count - 1)
            return !String(decoding: target.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)
                .hasPrefix("pipe:")
        }
    }

    /// How many it has, of those whose number is below a limit.
    func openDescriptors(below limit: Int) throws -> Int {
        try descriptors().count { $0 < limit }
    }

    private func descriptors() throws -> [Int] {
        guard let directory = opendir("/proc/\(pid)/fd") else { throw Failure.system("/proc/\(pid)/fd") }
        defer { closedir(directory) }
        var numbers: [Int] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let number = Int(name) { numbers.append(number) }
        }
        return numbers
    }

    /// Sets its RLIMIT_NOFILE, the soft limit.
    func limitDescriptors(to count: Int) throws {
        let result = soak_limit_descriptors(pid, UInt64(count))
        guard result == 0 else { throw Failure("prlimit: \(String(cString: strerror(-result)))") }
    }
}
#endif

import CLaunch
import Glibc

/// A process that the bench started on one CPU, the lines it writes, and its end.
final class ChildProcess {
    enum Stream { case output, errors }

    enum Event {
        case line(ChildProcess, Stream, String)
        /// Both outputs are closed: the process has ended or is about to.
        case closed(ChildProcess)
        case deadline
    }

    struct Ending {
        /// `nil` when a signal ended it.
        var exitStatus: Int32?
        var signal: Int32
        /// Of all its threads over its whole life.
        var cpuTime: Duration

        var description: String {
            exitStatus.map { "exit status \($0)" } ?? "signal \(signal)"
        }
    }

    let command: [String]
    let pid: pid_t
    private(set) var ending: Ending?
    /// What it said last on stderr: the likely reason when it fails.
    private(set) var lastError: String?

    /// -1 once it is closed.
    private var input: Int32
    private var output: LineReader
    private var errors: LineReader
    private var closedReported = false

    /// - Throws: `Failure` naming the program and the cause when it cannot be started.
    init(command: [String], cpu: Int) throws {
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) }
        defer {
            for argument in arguments { free(argument) }
        }
        arguments.append(nil)
        var child = launch_child()
        let result = launch_on_cpu(arguments, Int32(cpu), &child)
        guard result == 0 else {
            throw Failure("cannot start \(command[0]): \(String(cString: strerror(-result)))")
        }
        self.command = command
        pid = child.pid
        input = child.input
        output = LineReader(descriptor: child.output)
        errors = LineReader(descriptor: child.errors)
    }

    deinit {
        endInput()
    }

    /// Writes a line to its stdin. A child that has ended does not get it; what follows tells so.
    func say(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = write(input, bytes, bytes.count)
    }

    /// It finds the end of its stdin.
    func endInput() {
        if input >= 0 { close(input) }
        input = -1
    }

    /// The next line of any of `children`, the closing of one, or `.deadline`.
    /// - Throws: `Interruption.Received` when the bench itself is asked to end.
    static func nextEvent(
        of children: [ChildProcess], before deadline: ContinuousClock.Instant
    ) throws -> Event {
        while true {
            for child in children {
                if let event = child.pendingEvent() { return event }
            }
            try Interruption.check()
            let remaining = deadline - .now
            guard remaining > .zero else { return .deadline }
            wait(for: children, atMost: remaining)
        }
    }

    /// Ends the process with SIGTERM, or with SIGKILL when it does not obey in `patience`.
    @discardableResult
    func stop(patience: Duration = .seconds(5)) -> Ending {
        if let ending { return ending }
        kill(pid, SIGTERM)
        if let ending = awaitEnding(patience: patience) { return ending }
        kill(pid, SIGKILL)
        return reap(options: 0)!
    }

    /// Waits for the process to end by itself; `nil` when it does not in `patience`.
    func awaitEnding(patience: Duration) -> Ending? {
        let deadline = ContinuousClock.now + patience
        repeat {
            if let ending = reap(options: WNOHANG) { return ending }
            // There is no event to wait on for a process that closed its pipes but lives on.
            usleep(2_000)
        } while .now < deadline
        return nil
    }

    private func reap(options: Int32) -> Ending? {
        if let ending { return ending }
        var information = siginfo_t()
        while waitid(P_PID, id_t(pid), &information, WEXITED | WNOWAIT | options) < 0 {
            guard errno == EINTR else { return nil }
        }
        // Zero when nothing has ended yet.
        guard information.si_signo == SIGCHLD else { return nil }
        // Whatever it started and left behind would run on beside the next measurement. Before the
        // process is reaped, since until then its number cannot name another group.
        kill(-pid, SIGKILL)

        var status: Int32 = 0
        var usage = rusage()
        guard wait4(pid, &status, 0, &usage) == pid else { return nil }
        let signal = status & 0x7f
        ending = Ending(
            exitStatus: signal == 0 ? (status >> 8) & 0xff : nil,
            signal: signal,
            cpuTime: Duration(usage.ru_utime) + Duration(usage.ru_stime))
        return ending
    }

    private func pendingEvent() -> Event? {
        if let line = errors.nextLine() {
            lastError = line
            return .line(self, .errors, line)
        }
        if let line = output.nextLine() { return .line(self, .output, line) }
        guard !output.isOpen, !errors.isOpen, !closedReported else { return nil }
        closedReported = true
        return .closed(self)
    }

    private static func wait(for children: [ChildProcess], atMost remaining: Duration) {
        var entries: [pollfd] = []
        for child in children {
            // Negative descriptors are passed over.
            let output = child.output.isOpen ? child.output.descriptor : -1
            let errors = child.errors.isOpen ? child.errors.descriptor : -1
            entries.append(pollfd(fd: output, events: Int16(POLLIN), revents: 0))
            entries.append(pollfd(fd: errors, events: Int16(POLLIN), revents: 0))
        }
        // In slices, since a signal may arrive between the check for it and this call.
        let slice = min(remaining, .milliseconds(200))
        let milliseconds = Int32(slice.seconds * 1_000) + 1
        guard poll(&entries, nfds_t(entries.count), milliseconds) > 0 else { return }
        for (index, child) in children.enumerated() {
            if entries[2 * index].revents != 0 { child.output.fill() }
            if entries[2 * index + 1].revents != 0 { child.errors.fill() }
        }
    }
}

extension Duration {
    init(_ time: timeval) {
        self = .seconds(time.tv_sec) + .microseconds(time.tv_usec)
    }

    var seconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) * 1e-18
    }
}

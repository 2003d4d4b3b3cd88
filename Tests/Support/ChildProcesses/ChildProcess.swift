#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A program that was built beside the tests, running: what it says and how it ends.
///
/// Killed and reaped at the latest when the value goes, whatever happened to the test. Opens pipes and nothing else,
/// since other tests count this process' sockets.
@safe
package final class ChildProcess {
    package enum Stream { case output, errors }

    package struct Failure: Error, CustomStringConvertible {
        package let description: String

        package init(description: String) {
            self.description = description
        }
    }

    package let processID: pid_t
    private let name: String
    private var pipes: [Stream: Pipe] = [:]
    private var status: Int32?

    /// What a stream brought so far.
    private struct Pipe {
        let descriptor: Int32
        var text: [UInt8] = []
        var isOpen = true
    }

    /// - Parameters:
    ///   - program: the name of a program in the build directory, or an absolute path.
    ///   - environment: what is set for it, beside the environment of the tests.
    ///   - errorsOnTerminal: its stderr is a terminal, not a pipe.
    package init(
        _ program: String, _ arguments: [String], environment: [String: String] = [:], errorsOnTerminal: Bool = false
    ) throws {
        let path = program.hasPrefix("/") ? program : try ChildProcess.buildDirectory() + "/" + program
        name = ([program] + arguments).joined(separator: " ")
        let output = try ChildProcess.makePipe()
        let errors = try errorsOnTerminal ? ChildProcess.makeTerminal() : ChildProcess.makePipe()
        defer {
            close(output.writing)
            close(errors.writing)
        }
        pipes = [.output: Pipe(descriptor: output.reading), .errors: Pipe(descriptor: errors.reading)]

        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, output.writing, 1)
        unsafe posix_spawn_file_actions_adddup2(&actions, errors.writing, 2)

        // The pool's threads, on which tests run, block every signal. A child would inherit that: tmux's server could not be ended.
        var attributes = unsafe posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        var blocked = sigset_t()
        unsafe sigemptyset(&blocked)
        unsafe posix_spawnattr_setsigmask(&attributes, &blocked)
        unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))

        var words: [UnsafeMutablePointer<CChar>?] = unsafe ([path] + arguments).map { unsafe strdup($0) } + [nil]
        defer { unsafe words.forEach { unsafe free($0) } }
        var settings: [UnsafeMutablePointer<CChar>?] =
            unsafe ChildProcess.environment(changedBy: environment).map {
                unsafe strdup($0)
            } + [nil]
        defer { unsafe settings.forEach { unsafe free($0) } }
        var child: pid_t = 0
        let result = unsafe posix_spawn(&child, path, &actions, &attributes, &words, &settings)
        guard result == 0 else {
            close(output.reading)
            close(errors.reading)
            throw Failure(description: "\(path) does not start: \(unsafe String(cString: strerror(result)))")
        }
        processID = child
    }

    deinit {
        if status == nil {
            kill(processID, SIGKILL)
            _ = reap()
        }
        for pipe in pipes.values { close(pipe.descriptor) }
    }

    package func signal(_ number: Int32) {
        if status == nil { kill(processID, number) }
    }

    package func text(of stream: Stream) -> String { String(decoding: pipes[stream]!.text, as: UTF8.self) }

    package func lines(of stream: Stream) -> [String] { text(of: stream).split(separator: "\n").map(String.init) }

    /// Waits for a line, complete with its newline, that begins so.
    package func line(of stream: Stream, beginning start: String, within limit: Duration = .seconds(20)) throws
        -> String
    {
        func find() -> String? {
            var complete = text(of: stream).split(separator: "\n", omittingEmptySubsequences: false).dropLast()
            complete.removeAll { !$0.hasPrefix(start) }
            return complete.first.map(String.init)
        }
        try pump(within: limit, waitingFor: "a line '\(start)…'") { find() != nil }
        guard let line = find() else {
            throw Failure(description: "\(name) ended without a line '\(start)…'; it said: \(text(of: .errors))")
        }
        return line
    }

    /// Waits until a stream brought this text; returns all that it brought.
    package func text(of stream: Stream, containing part: String, within limit: Duration) throws -> String {
        try pump(within: limit, waitingFor: "'\(part)'") { text(of: stream).contains(part) }
        return text(of: stream)
    }

    /// Waits for its end; returns the exit status, or the negative number of the signal that ended it.
    @discardableResult
    package func end(within limit: Duration = .seconds(40)) throws -> Int32 {
        try pump(within: limit, waitingFor: "its end") { false }
        return reap()
    }

    /// Reads until the condition holds or both streams are closed.
    private func pump(within limit: Duration, waitingFor what: String, until condition: () -> Bool) throws {
        let deadline = ContinuousClock.now + limit
        while !condition() {
            let open = pipes.filter(\.value.isOpen)
            if open.isEmpty { return }
            let left = (deadline - .now) / .milliseconds(1)
            guard left > 0 else {
                throw Failure(description: "\(name): no \(what) within \(limit); it said: \(text(of: .errors))")
            }
            var entries = open.map { pollfd(fd: $0.value.descriptor, events: Int16(POLLIN), revents: 0) }
            unsafe poll(&entries, nfds_t(entries.count), Int32(left) + 1)
            for (entry, stream) in zip(entries, open.keys) where entry.revents != 0 { fill(stream) }
        }
    }

    private func fill(_ stream: Stream) {
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        let count = unsafe read(pipes[stream]!.descriptor, &buffer, buffer.count)
        if count > 0 { pipes[stream]!.text += buffer[..<count] }
        // A terminal whose last writer is gone fails instead of ending.
        if count == 0 || (count < 0 && errno == EIO) { pipes[stream]!.isOpen = false }
    }

    private func reap() -> Int32 {
        if let status { return status }
        var raw: Int32 = 0
        while unsafe waitpid(processID, &raw, 0) < 0, errno == EINTR {}
        let ending = raw & 0x7f == 0 ? (raw >> 8) & 0xff : -(raw & 0x7f)
        status = ending
        return ending
    }

    /// The settings of the tests' own environment, as NAME=VALUE, with some set anew.
    private static func environment(changedBy changes: [String: String]) -> [String] {
        var settings: [String] = []
        var next = unsafe environ
        while let setting = unsafe next.pointee {
            let text = unsafe String(cString: setting)
            if changes[String(text.prefix { $0 != "=" })] == nil { settings.append(text) }
            unsafe next += 1
        }
        return settings + changes.map { "\($0.key)=\($0.value)" }
    }

    private static func makePipe() throws -> (reading: Int32, writing: Int32) {
        var ends: [Int32] = [0, 0]
        guard unsafe pipe(&ends) == 0 else { throw Failure(description: "no pipe: errno \(errno)") }
        // Another child that kept the writing end would hide this one's end.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    /// A terminal's two sides, raw, so that what is read is what was written.
    private static func makeTerminal() throws -> (reading: Int32, writing: Int32) {
        var (reading, writing): (Int32, Int32) = (-1, -1)
        guard unsafe openpty(&reading, &writing, nil, nil, nil) == 0 else {
            throw Failure(description: "no terminal: errno \(errno)")
        }
        for end in [reading, writing] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var settings = termios()
        unsafe tcgetattr(writing, &settings)
        unsafe cfmakeraw(&settings)
        unsafe tcsetattr(writing, TCSANOW, &settings)
        return (reading, writing)
    }

    /// Where the test bundle lies, and the programs with it.
    package static func buildDirectory() throws -> String {
        var path = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = unsafe readlink("/proc/self/exe", &path, Int(PATH_MAX))
        var candidates = [String(decoding: path.prefix(max(0, count)).map(UInt8.init(bitPattern:)), as: UTF8.self)]
        let arguments = CommandLine.arguments
        candidates.append(arguments[0])
        if let at = arguments.firstIndex(of: "--test-bundle-path"), at + 1 < arguments.count {
            candidates.append(arguments[at + 1])
        }
        for candidate in candidates {
            let directory = candidate.split(separator: "/", omittingEmptySubsequences: false).dropLast()
                .joined(separator: "/")
            if unsafe access(directory + "/iocp", X_OK) == 0 { return directory }
        }
        throw Failure(description: "the iocp command is not beside the tests (\(candidates.joined(separator: ", ")))")
    }
}

import Foundation

/// What a server of this library does for one message, counted rather than timed.
struct Counts: Codable {
    /// Between the two samples, by the bytes or connections that the server's own counters saw.
    var messages: Double
    var kernelEntriesPerMessage: Double
    var allocations: Double
    var allocationsPerMessage: Double
}

/// A run of its own beside the timed ones, with the server's malloc counted and its stats page read twice while the
/// load is steady. Neither figure is of another run's, and no timed run is disturbed for them.
struct CountingRun {
    let iocp: String
    let placement: Placement
    let workload: Workload
    /// The server's, and the load's for its address.
    let serverCommand: [String]
    let loadCommand: (_ address: ServerAddress) -> [String]
    let seconds: Int

    private static let connectWithin: Duration = .seconds(LoadGenerator.connectSeconds + 5)
    private static let endWithin: Duration = .seconds(15)

    /// - Throws: `Failure` when a process fails or the load found something wrong.
    func perform() throws -> Counts {
        let counter = try MallocCounter()
        let server = try counter.preloaded { try ServerProcess(command: serverCommand, cpu: placement.server) }
        let load = try ChildProcess(command: loadCommand(server.address), cpu: placement.load)
        defer { load.stop() }

        try awaitLine("connections established:", of: load, server: server, within: Self.connectWithin)
        // What is made once per connection was made by then.
        try pass(.seconds(seconds) * 0.25, of: load, server: server)
        let (first, allocationsBefore) = (try sample(server), counter.count)
        try pass(.seconds(seconds) * 0.5, of: load, server: server)
        let (last, allocationsAfter) = (try sample(server), counter.count)
        try awaitLine("throughput:", of: load, server: server, within: .seconds(seconds) + Self.endWithin)
        guard let ending = load.awaitEnding(patience: Self.endWithin), ending.exitStatus == 0 else {
            throw Failure("the load of the counting run failed" + (load.lastError.map { " (\($0))" } ?? ""))
        }
        try server.stop()

        let messages = messages(from: first, to: last)
        guard messages > 0 else { throw Failure("the server's counters show no message") }
        let allocations = Double(allocationsAfter - allocationsBefore)
        return Counts(
            messages: messages,
            kernelEntriesPerMessage: Double(last.enters - first.enters) / messages,
            allocations: allocations, allocationsPerMessage: allocations / messages)
    }

    private func messages(from first: Counters, to last: Counters) -> Double {
        switch workload.kind {
        case .echo, .rate:
            Double(last.receivedBytes - first.receivedBytes) / Double(workload.messageBytes)
        case .churn: Double(last.accepted - first.accepted)
        case .fanOut: Double(last.sentBytes - first.sentBytes) / Double(workload.messageBytes)
        }
    }

    // MARK: The load's lines

    private func awaitLine(_ beginning: String, of load: ChildProcess, server: ServerProcess, within: Duration) throws {
        let deadline = ContinuousClock.now + within
        while true {
            switch try ChildProcess.nextEvent(of: [load, server.child], before: deadline) {
            case .line(let child, .errors, let line) where child === load && line.hasPrefix(beginning): return
            case .line: continue
            case .closed(let child): throw ended(child, load: load, server: server)
            case .deadline: throw Failure("the load did not say '\(beginning)' within \(within)")
            }
        }
    }

    private func pass(_ time: Duration, of load: ChildProcess, server: ServerProcess) throws {
        let deadline = ContinuousClock.now + time
        while true {
            switch try ChildProcess.nextEvent(of: [load, server.child], before: deadline) {
            case .line: continue
            case .closed(let child): throw ended(child, load: load, server: server)
            case .deadline: return
            }
        }
    }

    private func ended(_ child: ChildProcess, load: ChildProcess, server: ServerProcess) -> Failure {
        guard child === load else { return server.unexpectedEnd() }
        return Failure("the load of the counting run ended early" + (load.lastError.map { " (\($0))" } ?? ""))
    }

    // MARK: The stats page

    private struct Counters: Decodable {
        var accepted, enters, receivedBytes, sentBytes: Int

        enum CodingKeys: String, CodingKey {
            case accepted, enters
            case receivedBytes = "received_bytes"
            case sentBytes = "sent_bytes"
        }
    }

    private struct Stats: Decodable {
        var total: Counters
    }

    private func sample(_ server: ServerProcess) throws -> Counters {
        let stats = try ChildProcess(
            command: [iocp, "stats", "--json", "--pid", "\(server.child.pid)"], cpu: placement.load)
        defer { stats.stop() }
        let deadline = ContinuousClock.now + .seconds(5)
        while true {
            switch try ChildProcess.nextEvent(of: [stats], before: deadline) {
            case .line(_, .output, let line):
                return try JSONDecoder().decode(Stats.self, from: Data(line.utf8)).total
            case .line: continue
            case .closed, .deadline:
                throw Failure("iocp stats did not answer" + (stats.lastError.map { " (\($0))" } ?? ""))
            }
        }
    }
}

/// The count that a preloaded `libMallocCount.so` keeps in a file.
final class MallocCounter {
    private let file: URL
    private let page: UnsafeMutableRawPointer
    private static let bytes = 8

    init() throws {
        file = FileManager.default.temporaryDirectory.appendingPathComponent("malloc-count-\(getpid())-\(UUID())")
        let descriptor = open(file.path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0, ftruncate(descriptor, off_t(Self.bytes)) == 0,
            let page = mmap(nil, Self.bytes, PROT_READ, MAP_SHARED, descriptor, 0), page != MAP_FAILED
        else { throw Failure("no file to count allocations in at \(file.path)") }
        close(descriptor)
        self.page = page
    }

    deinit {
        munmap(page, Self.bytes)
        unlink(file.path)
    }

    var count: Int { page.load(as: Int.self) }

    /// What is started meanwhile is counted.
    func preloaded<Result>(_ start: () throws -> Result) throws -> Result {
        let library = Folders.ofExecutable().appendingPathComponent("libMallocCount.so").path
        guard FileManager.default.fileExists(atPath: library) else {
            throw Failure("no \(library): build the whole package")
        }
        setenv("LD_PRELOAD", library, 1)
        setenv("MALLOC_COUNT_FILE", file.path, 1)
        defer {
            unsetenv("LD_PRELOAD")
            unsetenv("MALLOC_COUNT_FILE")
        }
        let result = try start()
        guard count > 0 else { throw Failure("allocations are not counted: is it a static executable?") }
        return result
    }
}

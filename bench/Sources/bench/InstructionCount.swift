import Foundation

/// User-side instructions of a server for one message, counted by valgrind's callgrind.
///
/// The server runs under callgrind twice, with a short and a longer load, and the difference is taken: what starting,
/// connecting and ending cost falls out. Kernel work is not in it. A server is some 50 times slower there, so it finds
/// more messages per wake-up than it would: the figure is that of a saturated server.
struct InstructionCount {
    let placement: Placement
    let entry: Schedule.Entry
    let loadCommand: (_ address: ServerAddress, _ connections: Int, _ seconds: Int) -> [String]

    static let valgrind = "/usr/bin/valgrind"
    private static let strip = "/usr/bin/strip"
    private static let secondsShort = 1
    private static let secondsLong = 4
    /// So that every connection is up soon although the server is slow.
    private static let connectionsMax = 100
    private static let readyWithin: Duration = .seconds(20)
    private static let endWithin: Duration = .seconds(20)

    struct Figures {
        var perMessage: Double
        var messages: Double
        var connections: Int
    }

    /// - Throws: `Failure` when valgrind does not carry the server, or the load found something wrong.
    func perform() throws -> Figures {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("bench-\(getpid())-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let executable = try stripped(entry.serverCommand[0], into: folder)
        let short = try run(executable, for: Self.secondsShort, folder)
        let long = try run(executable, for: Self.secondsLong, folder)
        let messages = Double(long.messages - short.messages)
        guard messages > 0 else { throw Failure("the longer load brought no more messages than the short one") }
        return Figures(
            perMessage: Double(long.instructions - short.instructions) / messages, messages: messages,
            connections: connections)
    }

    private var connections: Int { min(entry.connectionsAsked, Self.connectionsMax) }

    /// valgrind 3.19 gives up on the debug information of recent compilers, so it gets none to read.
    private func stripped(_ executable: String, into folder: URL) throws -> String {
        let copy = folder.appendingPathComponent((executable as NSString).lastPathComponent).path
        let strip = try ChildProcess(command: [Self.strip, "-o", copy, executable], cpu: placement.load)
        guard strip.awaitEnding(patience: .seconds(10))?.exitStatus == 0 else {
            strip.stop()
            throw Failure("\(executable) cannot be stripped of its debug information")
        }
        return copy
    }

    private func run(_ executable: String, for seconds: Int, _ folder: URL) throws -> (instructions: Int, messages: Int)
    {
        let log = folder.appendingPathComponent("log").path
        let command = [
            Self.valgrind, "--tool=callgrind", "--callgrind-out-file=/dev/null", "--log-file=\(log)", executable,
        ]
        let server: ServerProcess
        do {
            server = try ServerProcess(
                command: command + ServerAddress.fresh(entry.serverCommand).dropFirst(), cpu: placement.server,
                readyWithin: Self.readyWithin)
        } catch let failure as Failure {
            throw Failure("valgrind does not carry this server: \(failure)")
        }
        let messages = try load(server, seconds)
        try server.stop(patience: Self.endWithin)
        return (try instructions(inLog: log), messages)
    }

    private func load(_ server: ServerProcess, _ seconds: Int) throws -> Int {
        let load = try ChildProcess(
            command: loadCommand(server.address, connections, seconds), cpu: placement.load)
        defer { load.stop() }
        let deadline = ContinuousClock.now + .seconds(seconds + LoadGenerator.connectSeconds) + Self.endWithin
        var printed = ""
        while true {
            switch try ChildProcess.nextEvent(of: [load], before: deadline) {
            case .line(_, .output, let line): printed += line
            case .line: continue
            case .deadline: throw Failure("the load did not end in time")
            case .closed:
                guard load.awaitEnding(patience: .seconds(5))?.exitStatus == 0 else {
                    throw Failure("the load failed" + (load.lastError.map { " (\($0))" } ?? ""))
                }
                return try StressReport(json: printed).messages
            }
        }
    }

    /// `==123== I   refs:      39,647,388`, the last line.
    private func instructions(inLog path: String) throws -> Int {
        let log = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
        let line = log.split(separator: "\n").last { $0.contains("refs:") }
        guard let digits = line?.split(separator: ":").last?.filter(\.isNumber), let count = Int(digits) else {
            throw Failure("callgrind did not say how many instructions it saw")
        }
        return count
    }
}

extension Schedule {
    /// Counts for every contender of every workload with a closed loop; returns the table and what was in the way.
    func countInstructions(progress: Progress) throws -> String {
        guard FileManager.default.isExecutableFile(atPath: InstructionCount.valgrind) else {
            throw Failure("no \(InstructionCount.valgrind): install valgrind")
        }
        var table = Table(headers: ["workload", "server", "connections", "instructions", "messages"], leading: 2)
        var notes: [String] = []
        let entries = entries().filter { !$0.workload.isRate }
        progress.begin(steps: entries.count)
        for entry in entries {
            let name = "\(entry.workload.name)  \(entry.contender.name)"
            progress.step("instructions  " + name)
            let count = InstructionCount(placement: placement, entry: entry) { address, connections, seconds in
                LoadGenerator(program: programs.iocp).command(
                    for: entry.workload, connections: connections, rate: nil, at: address, .once(seconds: seconds))
            }
            do {
                guard entry.isBuilt else { throw Failure(Contender.notBuilt) }
                let figures = try count.perform()
                let perMessage = "\(Figure.count(figures.perMessage))/\(entry.workload.kind.noun)"
                table.append([
                    entry.workload.name, entry.contender.name, "\(figures.connections)", perMessage,
                    Figure.count(figures.messages),
                ])
                progress.note(perMessage)
            } catch let failure as Failure {
                table.append([entry.workload.name, entry.contender.name, "-", "-", "-"])
                notes.append("! \(name): \(failure)")
                progress.failed(failure)
            }
        }
        return "User-side instructions per message, under callgrind; kernel work is not in them.\n\n"
            + ([table.text] + (notes.isEmpty ? [] : [notes.joined(separator: "\n")])).joined(separator: "\n\n")
    }
}

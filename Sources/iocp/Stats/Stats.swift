#if Command
import ArgumentParser
import IOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

struct Stats: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the counters of a running port, worker by worker.",
        discussion: """
            Reads the counters that every process with a completion port keeps: no request is sent to it, and it is \
            not slowed down. Its own user and root may read them. Counters run from the start of the process; \
            connections is what is open now.

            Columns: how long the worker's handlers have been running since its latest wait (busy; - while it sleeps), \
            bytes and operations (ops) received and sent, completion records handed to the application, kernel entries \
            of the loop (enters). A last line names what went short, if anything did: receives that waited for a buffer \
            (starved), refused sends, timeouts and the like. The JSON has every field; --fields tells what each means. A \
            field that the process' own build does not count is -, and missing in the JSON.

            Where several processes have a port and none is named, they are listed; --json then prints an array of what \
            it prints for one.

            --interval prints a line of rates per interval: of connections, bytes, messages (receives that brought \
            bytes), completion records per kernel entry, and what went short in the interval. It ends with status 0 \
            after --count lines or by Ctrl-C, and with status 1 when the process ends. --prometheus prints every field \
            as Prometheus reads it.

            Examples:
              iocp stats
              iocp stats --pid 4711 --json
              iocp stats --interval 1
              iocp stats --interval 0.5 --count 20 --json
              iocp stats --prometheus > /var/lib/node_exporter/iocp.prom
              iocp stats --fields
            """)

    @Option(parsing: .unconditional, help: "The process to look at. (default: all that have a port)")
    var pid: Int32?

    @Flag(help: "Print one JSON object; with --interval, one on each line.")
    var json = false

    @Flag(help: "Print every field in Prometheus' text format, version 0.0.4.")
    var prometheus = false

    @Option(parsing: .unconditional, help: "Print a line of rates each time as many seconds have gone by, 0.1 to 3600.")
    var interval: Double?

    @Option(parsing: .unconditional, help: "End after as many lines of --interval. (default: with Ctrl-C)")
    var count: Int?

    @Flag(help: "List every field with its kind, unit and meaning, and how a total over workers is made.")
    var fields = false

    func validate() throws {
        guard !fields || pid == nil else {
            throw ValidationError("--fields lists what this build counts, so it does not go with --pid")
        }
        if let pid, pid < 1 { throw ValidationError("--pid takes a process id from 1, not \(pid)") }
        if let interval, !(interval >= 0.1 && interval <= 3_600) {
            throw ValidationError("--interval takes 0.1 to 3600 seconds, not \(interval)")
        }
        if count != nil, interval == nil { throw ValidationError("--count is there for --interval alone") }
        if let count { try Bounds.check(count, "--count", 1...1_000_000_000) }
        let chosen = [("--fields", fields), ("--interval", interval != nil), ("--prometheus", prometheus)].filter(\.1)
        if chosen.count > 1 { throw ValidationError("\(chosen[0].0) does not go with \(chosen[1].0)") }
        if prometheus, json { throw ValidationError("--prometheus does not go with --json") }
    }

    func run() throws {
        if fields {
            let list = StatsFieldList()
            return try say(list.lines, json: { try JSONText.encode(list) })
        }
        let chosen = try pid.map { [$0] } ?? Stats.candidates()
        if let interval {
            guard chosen.count == 1 else {
                let list = chosen.map(String.init).joined(separator: ", ")
                throw CommandFailure("several processes have a completion port: \(list); choose one with --pid")
            }
            return try StatsInterval(processID: chosen[0], seconds: interval, count: count, json: json).run()
        }
        if prometheus { return try sayMetrics(of: chosen) }
        if chosen.count == 1 {
            let report = StatsReport(try Stats.page(of: chosen[0]))
            try say(report.lines, json: { try report.json() })
        } else {
            let processes = StatsProcesses(chosen)
            try say(processes.lines, json: processes.json)
        }
    }

    private func sayMetrics(of chosen: [Int32]) throws {
        var text = PrometheusText()
        for processID in chosen {
            // One of several may end meanwhile. The one that was asked for may not.
            guard chosen.count > 1 else {
                text.add(try Stats.page(of: processID), namesProcess: false)
                continue
            }
            if let stats = try? PortStats(processID: processID) { text.add(stats, namesProcess: true) }
        }
        // Every line ends in a newline already, and saying a line adds one.
        Console.say(String(text.text.dropLast()))
    }

    private func say(_ lines: @autoclosure () -> [String], json object: () throws -> String) throws {
        for line in json ? [try object()] : lines() { Console.say(line) }
    }

    /// The processes that may be read, at least one.
    static func candidates() throws -> [Int32] {
        let candidates = PortStats.processIDs()
        guard !candidates.isEmpty else {
            throw CommandFailure("no process that you may read has a completion port; is a server running?")
        }
        return candidates
    }

    /// The page of a process, or why it cannot be read.
    static func page(of pid: Int32) throws -> PortStats {
        do throws(IOCPError) {
            return try PortStats(processID: pid)
        } catch {
            switch error.code {
            case ESRCH: throw CommandFailure("there is no process \(pid)")
            case EACCES, EPERM:
                throw CommandFailure("\(error.detail ?? "process \(pid) is closed to you"): run as that user or root")
            case ENOENT: throw CommandFailure("process \(pid) has no completion port")
            default: throw CommandFailure("the counters of process \(pid) cannot be read: \(error)")
            }
        }
    }
}
#endif

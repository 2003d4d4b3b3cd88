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

            Examples:
              iocp stats
              iocp stats --pid 4711 --json
              iocp stats --fields
            """)

    @Option(parsing: .unconditional, help: "The process to look at. (default: the only one that has a port)")
    var pid: Int32?

    @Flag(help: "Print one JSON object.")
    var json = false

    @Flag(help: "List every field with its kind, unit and meaning, and how a total over workers is made.")
    var fields = false

    func validate() throws {
        guard !fields || pid == nil else {
            throw ValidationError("--fields lists what this build counts, so it does not go with --pid")
        }
        if let pid, pid < 1 { throw ValidationError("--pid takes a process id from 1, not \(pid)") }
    }

    func run() throws {
        if fields {
            let list = StatsFieldList()
            try say(list.lines, json: { try JSONText.encode(list) })
        } else {
            let report = try read(pid ?? onlyProcess())
            try say(report.lines, json: report.json)
        }
    }

    private func say(_ lines: @autoclosure () -> [String], json object: () throws -> String) throws {
        for line in json ? [try object()] : lines() { Console.say(line) }
    }

    private func onlyProcess() throws -> Int32 {
        let candidates = PortStats.processIDs()
        guard let first = candidates.first else {
            throw CommandFailure("no process that you may read has a completion port; is a server running?")
        }
        guard candidates.count == 1 else {
            let list = candidates.map(String.init).joined(separator: ", ")
            throw CommandFailure("several processes have a completion port: \(list); choose one with --pid")
        }
        return first
    }

    private func read(_ pid: Int32) throws -> StatsReport {
        do {
            return StatsReport(try PortStats(processID: pid))
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

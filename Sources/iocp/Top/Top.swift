#if Command
import ArgumentParser
import IOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

struct Top: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Watch the workers of a running port on the full screen.",
        discussion: """
            Shows a row per worker with its rates, a total, and the messages per second of the last minutes. It reads the \
            page of counters that every process with a completion port keeps: no request is sent to it, and it is not \
            slowed down. Its own user and root may read it.

            Keys: q quits, h helps, p pauses, s sorts by the next column, arrows scroll, Tab takes the next process. \
            NO_COLOR in the environment takes the colours away. Where stdout is no terminal, one table is printed as plain \
            text after one interval, and with --count as many.

            Examples:
              iocp top
              iocp top --pid 4711 --interval 0.5
              iocp top | cat
            """)

    @Option(parsing: .unconditional, help: "The process to look at. (default: the first that has a port)")
    var pid: Int32?

    @Option(parsing: .unconditional, help: "Seconds between two frames, 0.1 to 10.")
    var interval = 1.0

    @Option(parsing: .unconditional, help: "End after as many frames. (default: with q)")
    var count: Int?

    func validate() throws {
        if let pid, pid < 1 { throw ValidationError("--pid takes a process id from 1, not \(pid)") }
        guard interval >= 0.1, interval <= 10 else {
            throw ValidationError("--interval takes 0.1 to 10 seconds, not \(interval)")
        }
        if let count { try Bounds.check(count, "--count", 1...1_000_000_000) }
    }

    func run() throws {
        let processID = try pid ?? Stats.candidates()[0]
        if TopTerminal.isThere {
            try TopLoop(processID, interval: interval, frames: count).run()
        } else {
            try printTables(of: processID)
        }
    }

    /// What fits no screen has no width either: every column is shown.
    private func printTables(of processID: Int32) throws {
        let sampler = try TopSampler(processID, interval: interval)
        for number in 0..<(count ?? 1) {
            let due = MonotonicClock.nanoseconds() + UInt64(interval * 1e9)
            repeat {
                let left = due - min(due, MonotonicClock.nanoseconds())
                usleep(UInt32(min(left, TopSampler.lookNanoseconds) / 1_000))
                sampler.look()
            } while MonotonicClock.nanoseconds() < due
            let frame = sampler.frame()
            if frame.state == .gone { throw CommandFailure("process \(processID) has ended") }
            let table = TopTable(frame, frame.workers, columns: 200)
            if number > 0 { Console.say("") }
            Console.say("process \(processID) (\(frame.command)), driver \(frame.driver)")
            for line in [table.header] + table.rows + [table.total] { Console.say(line.text) }
        }
    }
}
#endif

#if Command
import ArgumentParser
import IOCP

struct Connections: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "List the connections of a running server, or end some.",
        discussion: """
            Asks the server's admin socket, which there is only where it was asked for: iocp serve --admin PATH, or \
            serveAdmin(at:) in an application. The server's own user and root may ask. Each worker answers itself, a slice \
            of its connections at a time, so that the others hardly wait; one whose handler stalls is told of as such.

            Orders: busy (bytes in the latest second, or --interval), unsent (bytes that wait), slow (how long a full \
            socket has taken nothing), idle (how long nothing came), old, rtt, retransmits.

            --kill resets what is listed, and every other connection that --peer or --id means. It prints what it ended.

            Examples:
              iocp connections --socket /run/echo.admin
              iocp connections --socket /run/echo.admin --order slow --limit 50
              iocp connections --socket /run/echo.admin --peer 192.0.2.0/24 --json
              iocp connections --socket /run/echo.admin --id 0000004000000001 --kill
            """)

    @OptionGroup var admin: AdminOptions

    @Option(help: "Which come first.")
    var order: ConnectionOrder = .busy

    @Option(parsing: .unconditional, help: "List as many, 1 to 1000.")
    var limit = 20

    @Option(parsing: .unconditional, help: "Seconds over which --order busy counts, 0 to 60; 0: since each opened.")
    var interval = 1.0

    @Flag(help: "Reset those that --peer or --id means.")
    var kill = false

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        try Bounds.check(limit, "--limit", 1...1_000)
        guard interval >= 0, interval <= 60 else {
            throw ValidationError("--interval takes 0 to 60 seconds, not \(interval)")
        }
        if kill, admin.peer == nil, admin.id == nil {
            throw ValidationError("--kill takes --peer or --id, so that nobody ends every connection by a slip")
        }
    }

    func run() throws {
        var words = ["connections", "order=\(order.rawValue)", "limit=\(limit)"] + admin.settings
        if order == .busy { words.append("interval=\(Int(interval * 1_000))") }
        if kill { words.append("kill=1") }
        let list = try ConnectionList(try admin.ask(words))
        if json {
            Console.say(try JSONText.encode(list))
        } else {
            for line in list.lines(killed: kill) { Console.say(line) }
        }
        for worker in list.workers where worker.result != "ok" {
            let why =
                worker.result == "ETIME"
                ? "within 2 s: its handler stalls, or it has too many connections to ask each one's socket"
                : "(\(worker.result)): it has ended, or is not attached"
            Console.complain("worker \(worker.index) did not answer \(why)")
        }
        if list.workers.contains(where: { $0.result != "ok" }) { throw ExitCode.failure }
    }
}

extension ConnectionOrder: ExpressibleByArgument {}
#endif

#if Command
import ArgumentParser
import IOCP

struct Stress: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Hold connections to a server and measure it.",
        discussion: """
            Opens the connections and has each of them echo one message. Then every active connection keeps --depth \
            messages outstanding for --duration: a closed loop, each echo answered by the next message. The other \
            connections are held open. Every byte that comes is compared with the one that is due.

            The latency of a message runs from its sending to the last byte of its echo. Of a name with several addresses \
            the first to answer one more connection is taken. For a server on 127.0.0.0/8 the local addresses are spread \
            as well, since one pair of addresses has only about 28,000 ports.

            Other loads:
              --rate     an open loop: the messages leave on a schedule, whatever becomes of them, and each latency \
            counts from the scheduled time, so that a stall shows with all that it held back. How late the load \
            itself was is told apart.
              --churn    each connection opens, echoes one message, sends FIN, waits for the server's, and opens \
            again. Latency is that of a whole cycle. TIME_WAIT stays on this side.
              --fan-out  one more connection publishes frames of --size bytes, --depth of them outstanding, and the \
            connections receive each of them, in order. For a server that sends what it receives to all others: \
            iocp serve --fan-out. Latency is that of a delivery.

            With --by-turns it measures whenever a line comes on stdin, with two numbers: for how many milliseconds to \
            settle, and for how many to measure. Then it answers what is outstanding, prints the figures of the turn as \
            a line of JSON, and sends nothing until the next line. So several loads can take turns on one machine. At \
            the end of stdin it prints the figures of all turns together. --duration does not count.

            Ctrl-C ends it early, with the figures so far; "interrupted": true is in the JSON then. On a terminal it \
            shows meanwhile how far it is.

            Exit status: 0, 1 when a connection failed, was closed by the server, received a wrong byte or missed \
            one, or when stdout cannot be written, 64 for bad usage, 130 when it was interrupted (143 by SIGTERM).

            Examples:
              iocp stress --connections 1000 --duration 10
              iocp stress --connections 40000 --active 100 --json
              iocp stress --size 65536 --depth 4
              iocp stress --rate 20000
              iocp stress --tls-ca ca.pem --host localhost
            """)

    @Option(help: "Address or name of the server.")
    var host = "127.0.0.1"

    @Option(parsing: .unconditional, help: "TCP port of the server, 1 to 65535.")
    var port = 4666

    @Option(
        help: "Unix socket of the server instead: a path, or @NAME for an abstract name.", transform: UnixAddress.option
    )
    var unix: UnixAddress?

    @Option(parsing: .unconditional, help: "Connections to hold, 1 to 1000000.")
    var connections = 1_000

    @Option(parsing: .unconditional, help: "How many of them are kept busy, from 0. (default: all)")
    var active: Int?

    @Option(parsing: .unconditional, help: "Bytes of a message, 1 to 8388608 (8 MiB).")
    var size = 64

    @Option(parsing: .unconditional, help: "Messages each active connection keeps outstanding, 1 to 1024.")
    var depth = 1

    @Option(
        parsing: .unconditional, help: "Messages per second over all active connections, 1 to 10000000: an open loop.")
    var rate: Int?

    @Flag(help: "Open, use and close connections over and over.")
    var churn = false

    @Flag(help: "Publish frames, of 8 bytes at least, to all connections.")
    var fanOut = false

    @Option(parsing: .unconditional, help: "Seconds to measure, more than 0 and at most 3600.")
    var duration = 5.0

    @Flag(help: "Measure in turns, as lines of stdin say. Needs --json.")
    var byTurns = false

    @Option(parsing: .unconditional, help: "Process of the server, whose CPU time is told too. Needs --by-turns.")
    var serverPID: Int?

    @Option(parsing: .unconditional, help: "Threads that make the load, 1 to 1024.")
    var workers = 1

    @Option(
        parsing: .unconditional, help: "Seconds within which every connection must be up, more than 0 and at most 3600."
    )
    var connectTimeout = 30.0

    @Option(
        help: "CPUs that these threads are bound to: unbound, automatic, every-cpu, cores, or a list as 0,2,8-11.",
        transform: WorkerPlacement.option)
    var cpus: WorkerPlacement = .unbound

    @Flag(help: "Print one JSON object to stdout and everything else to stderr.")
    var json = false

    @OptionGroup var tls: ClientTLSOptions

    /// What may be outstanding at once; a message counts as at least 256 bytes, for what is kept about it.
    private static let outstandingBytesMax = 4 << 30
    private static let messageCostBytesMin = 256
    /// Of one connection, half of what a port can be told to keep unsent.
    private static let connectionOutstandingBytesMax = 1 << 30

    func validate() throws {
        try Bounds.port(port, least: 1)
        try Bounds.check(connections, "--connections", 1...1_000_000)
        if let active { try Bounds.check(active, "--active", 0...connections) }
        try Bounds.check(size, "--size", 1...8_388_608, unit: " bytes")
        try Bounds.check(depth, "--depth", 1...1_024)
        try Bounds.seconds(duration, "--duration")
        try Bounds.workers(workers)
        try Bounds.seconds(connectTimeout, "--connect-timeout")
        if let rate { try Bounds.check(rate, "--rate", 1...10_000_000) }
        try validateMode()
        if byTurns, !json { throw ValidationError("--by-turns prints JSON: add --json") }
        if let serverPID {
            guard byTurns else { throw ValidationError("--server-pid goes with --by-turns only") }
            try Bounds.check(serverPID, "--server-pid", 1...Int(Int32.max))
        }
        guard depth * size <= Stress.connectionOutstandingBytesMax else {
            throw ValidationError("--depth x --size must stay within 1 GiB: lower one of them")
        }
        // Of a fan-out only the publisher sends.
        let outstanding = (fanOut ? 1 : active ?? connections) * depth
        guard outstanding * max(size, Stress.messageCostBytesMin) <= Stress.outstandingBytesMax else {
            throw ValidationError("active connections x --depth x --size must stay within 4 GiB: lower one of them")
        }
    }

    private func validateMode() throws {
        let modes = [("--rate", rate != nil), ("--churn", churn), ("--fan-out", fanOut)].filter(\.1).map(\.0)
        guard modes.count <= 1 else { throw ValidationError("\(modes.joined(separator: " and ")) exclude each other") }
        guard let mode = modes.first else { return }
        if depth != 1, !fanOut {
            throw ValidationError("\(mode) does not go with --depth: how much is outstanding is not chosen there")
        }
        if active != nil, rate == nil {
            throw ValidationError("\(mode) does not go with --active: every connection takes part there")
        }
        if active == 0 { throw ValidationError("--rate needs an --active connection at least") }
        if fanOut, size < LoadFrames.headerBytes {
            throw ValidationError(
                "--fan-out takes frames of \(LoadFrames.headerBytes) bytes at least, not \(size): raise --size")
        }
    }

    private var mode: LoadMode {
        if let rate { return .rate(rate) }
        if churn { return .churn }
        return fanOut ? .fanOut(depth: depth) : .echo(depth: depth)
    }

    /// A figure that is no number would be a fault of the load's own: nothing is said of that turn then, and its reader ends.
    private func announce(turn report: LoadReport) {
        if let text = try? report.json() { Console.say(text) }
    }

    func run() throws {
        OpenFileLimit.raise()
        let signals = TerminationSignals()
        var plan = try LoadPlan(
            target: try LoadTarget.find(
                unix.map(ServerOption.unix) ?? .tcp(host: host, port: port), within: .seconds(connectTimeout)),
            security: try tls.security(for: host),
            connections: connections, active: active ?? connections, messageBytes: size, mode: mode, workers: workers,
            placement: cpus)
        plan.serverProcess = serverPID.map(Int32.init)
        let run = LoadRun(
            plan: plan, connectTimeout: .seconds(connectTimeout), duration: .seconds(duration),
            announce: json ? { Console.note($0) } : { Console.say($0) }, announceTurn: { announce(turn: $0) },
            signals: signals, goesByTurns: byTurns)
        let report = try run.perform()
        if json {
            Console.say(try report.json())
        } else {
            for line in report.lines { Console.say(line) }
        }
        if let line = report.interruptionLine { Console.complain(line) }
        if let failure = report.failure { throw CommandFailure(failure) }
        if let signal = report.interruption { throw ExitCode(128 + signal) }
    }
}
#endif

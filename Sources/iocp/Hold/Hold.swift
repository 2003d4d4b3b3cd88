#if Command
import ArgumentParser
import IOCP

struct Hold: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Hold very many connections to a server, and account for each of them.",
        discussion: """
            Connects them all, each of which is up when the server has echoed --size bytes on it, lets them rest, has the --active ones send a heartbeat and compares its echoes, drops \
            --reconnects of them at once (RST) and brings them back while the heartbeat goes on, publishes a frame to all, and \
            closes all (FIN, a window at a time). Each phase has a line with its figures.

            The server echoes, and sends what a connection of --publish-port sends to all of --port:
              iocp serve --connections 1000000 --fan-out 64 --publish-port 4667
            For a server that only echoes, leave --publish-port out; there is no broadcast then.

            To a server on 127.0.0.0/8 each connect has an address and a port of its own, which are chosen here: the kernel's \
            search for a free port takes the longer the more are in use. --no-source-ports leaves the port to it.

            Exit status: 0, 1 when a connection failed, was lost or got a wrong byte, 64 for bad usage, 130 when it was \
            interrupted (143 by SIGTERM).

            Examples:
              iocp hold --connections 100000
              iocp hold --connections 1000000 --publish-port 4667 --json
            """)

    @Option(help: "Address or name of the server.")
    var host = "127.0.0.1"

    @Option(parsing: .unconditional, help: "TCP port of the server, 1 to 65535.")
    var port = 4666

    @Option(parsing: .unconditional, help: "Port of the server's publishers, 1 to 65535. (default: no broadcast)")
    var publishPort: Int?

    @Option(parsing: .unconditional, help: "Connections to hold, 1 to 10000000.")
    var connections = 100_000

    @Option(parsing: .unconditional, help: "Connections with a heartbeat, from 0. (default: 1 % of all)")
    var active: Int?

    @Option(
        parsing: .unconditional, help: "Heartbeats a second over all of these, 1 to 10000000. (default: 2 for each)")
    var rate: Int?

    @Option(
        parsing: .unconditional,
        help: "Connections dropped at once, from 0; not among the active. (default: 5 % of all)")
    var reconnects: Int?

    @Option(parsing: .unconditional, help: "Of these, how many each thread has on their way back at a time, 1 to 256.")
    var returnWindow = 8

    @Option(parsing: .unconditional, help: "Bytes of a heartbeat and of the frame, 1 to 16384.")
    var size = 64

    @Option(parsing: .unconditional, help: "Seconds at rest, more than 0 and at most 3600.")
    var rest = 10.0

    @Option(parsing: .unconditional, help: "Seconds of heartbeat alone, more than 0 and at most 3600.")
    var beat = 10.0

    @Option(
        parsing: .unconditional, help: "Seconds within which every connection must be up, more than 0 and at most 3600."
    )
    var connectTimeout = 300.0

    @Flag(inversion: .prefixedNo, help: "Choose the port of each connect here, too, and not the kernel's way.")
    var sourcePorts = true

    @Option(parsing: .unconditional, help: "Process of the server, whose CPU time is told too.")
    var serverPID: Int?

    @Flag(help: "Print a line of JSON as each phase begins and ends, and everything else to stderr.")
    var json = false

    private var activeCount: Int { active ?? connections / 100 }
    private var reconnectCount: Int { reconnects ?? connections / 20 }

    func validate() throws {
        try Bounds.port(port, least: 1)
        if let publishPort { try Bounds.port(publishPort, least: 1) }
        try Bounds.check(connections, "--connections", 1...10_000_000)
        try Bounds.check(activeCount, "--active", 0...connections)
        try Bounds.check(reconnectCount, "--reconnects", 0...(connections - activeCount))
        try Bounds.check(returnWindow, "--return-window", 1...256)
        if let rate { try Bounds.check(rate, "--rate", 1...10_000_000) }
        try Bounds.check(size, "--size", 1...16_384, unit: " bytes")
        try Bounds.seconds(rest, "--rest")
        try Bounds.seconds(beat, "--beat")
        try Bounds.seconds(connectTimeout, "--connect-timeout")
        if let serverPID { try Bounds.check(serverPID, "--server-pid", 1...Int(Int32.max)) }
    }

    func run() throws {
        OpenFileLimit.raise()
        let signals = TerminationSignals()
        let target = try LoadTarget.find(.tcp(host: host, port: port), within: .seconds(connectTimeout))
        var publishTarget: Endpoint?
        if let publishPort, case .tcp(let address) = target {
            publishTarget = .tcp(try SocketAddress(host: address.host, port: publishPort))
        }
        var plan = HoldPlan(
            target: target, publishTarget: publishTarget, connections: connections, active: activeCount,
            rate: rate ?? max(1, 2 * activeCount), reconnects: reconnectCount, messageBytes: size,
            returnWindow: returnWindow, choosesPorts: sourcePorts)
        plan.serverProcess = serverPID.map(Int32.init)
        let run = HoldRun(
            plan: plan, connectTimeout: .seconds(connectTimeout), rest: .seconds(rest), beat: .seconds(beat),
            signals: signals, tell: tell)
        let outcome = try run.perform()
        if let signal = outcome.interruption {
            Console.complain("interrupted")
            throw ExitCode(128 + signal)
        }
        if let failure = outcome.failure { throw CommandFailure(failure) }
    }

    private func tell(_ phase: HoldPhase) {
        if json {
            // A figure that is no number would be a fault of the load's own: nothing is said of that phase then.
            if let text = try? JSONText.encode(phase) { Console.say(text) }
        } else if !phase.isBeginning {
            Console.say(phase.line)
        }
    }
}
#endif

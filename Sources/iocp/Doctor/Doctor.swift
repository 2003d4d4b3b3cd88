#if Command
import ArgumentParser
import IOCP

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tell whether this machine is fit to run a server, and what to change.",
        discussion: """
            Looks at the kernel and at what it lets io_uring do, at limits, sysctls, CPUs, memory, confinement and network \
            cards, and changes nothing. Run it as the server's user, and where the server runs: limits, control groups and \
            seccomp filters differ from place to place.

            Each check has a verdict. ok: nothing to change. note: worth knowing. warning: a server runs, and is slower or \
            holds less than it could. bad: a server does not run, or cannot hold what was asked for. Below it are its \
            cost and the commands that mend it, most of them for root. In them, UNIT, USER, IMAGE and CONTAINER stand for \
            your own. What sysctl -w sets is gone after a reboot; /etc/sysctl.d keeps it.

            Exit status: 0 for ok and notes, 1 for warnings (and where the report cannot be written), 2 for bad, 64 for \
            bad usage.

            Examples:
              iocp doctor
              iocp doctor --connections 1000000
              iocp doctor --json
            """)

    @Option(
        parsing: .unconditional,
        help: "Whether the machine can hold that many connections, 1 to 10000000.")
    var connections: Int?

    @Flag(help: "Print one JSON object.")
    var json = false

    @Option(help: ArgumentHelp("Look for proc/ and sys/ below this folder.", visibility: .hidden))
    var root: String?

    func validate() throws {
        if let connections { try Bounds.check(connections, "--connections", 1...10_000_000) }
    }

    func run() throws {
        let facts = MachineFacts(try files())
        let report = DoctorReport(
            connections: connections, checks: Examination.checks(facts, connections: connections))
        for line in json ? [try report.json()] : report.lines { Console.say(line) }
        if report.exitStatus != 0 { throw ExitCode(report.exitStatus) }
    }

    private func files() throws -> SystemFiles {
        var folder = root ?? ""
        while folder.hasSuffix("/") { folder.removeLast() }
        let files = SystemFiles(root: folder)
        guard files.exists("/") else { throw CommandFailure("there is no folder \"\(folder.printable)\"") }
        return files
    }
}
#endif

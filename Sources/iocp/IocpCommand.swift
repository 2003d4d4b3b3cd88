import ArgumentParser
import IOCP

@main
struct IocpCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "iocp",
        abstract: "Run, load and watch completion-port servers.",
        discussion: """
            A round on one machine:
              iocp serve --port 4666
              iocp stress --port 4666 --connections 10000
              iocp stats
            """,
        version: "0.1.0",
        subcommands: [Serve.self, Stress.self, Stats.self])

    /// Exit status: 0, 1 for a failure with one line on stderr, 64 for bad usage.
    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let failure as CommandFailure {
            Console.complain(failure.description)
            exit(withError: ExitCode.failure)
        } catch let error as IOCPError {
            Console.complain(error.description)
            exit(withError: ExitCode.failure)
        } catch {
            exit(withError: error)
        }
    }
}

/// What ends the command with status 1: one line that names the cause, and the remedy where there is one.
struct CommandFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

#if Command
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
              iocp top
            Whether this machine is fit for them:
              iocp doctor
            """,
        version: "0.1.0",
        subcommands: [Serve.self, Stress.self, Hold.self, Stats.self, Top.self, Connections.self, Capture.self, Doctor.self])

    /// Exit status: 0, 1 for a failure with one line on stderr, 64 for bad usage. `doctor` has more of its own.
    static func main() {
        Console.ignoreBrokenPipes()
        do {
            let arguments = Array(CommandLine.arguments.dropFirst())
            try checkSubcommand(arguments)
            var command = try parseAsRoot(arguments)
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

    /// A word in the place of a subcommand that is none is answered with the one that was meant, if that can be told.
    static func checkSubcommand(_ arguments: [String]) throws {
        let known = configuration.subcommands.map { $0._commandName }
        guard let word = arguments.first, !word.hasPrefix("-"), word != "help", !known.contains(word) else { return }
        let meant = Suggestion.nearest(to: word, among: known).map { "did you mean \"\($0)\"?" }
        let there = "there are " + known.joined(separator: ", ")
        throw ValidationError("there is no subcommand \"\(word)\": \(meant ?? there)")
    }
}

/// What ends the command with status 1: one line that names the cause, and the remedy where there is one.
struct CommandFailure: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
#endif

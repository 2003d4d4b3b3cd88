import ChildProcesses
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension Commands {
    /// What becomes of the command when nobody takes what it says.
    @Suite(needsRing) struct Output {
        /// The command with a stdout on a full disk, or into a pipe that nobody reads.
        enum Sink: String, CaseIterable {
            case full = #"exec "$@" > /dev/full"#
            case broken = #"exec 3> >(true); wait $!; exec "$@" >&3"#

            var reason: String { self == .full ? "No space left on device" : "Broken pipe" }

            func run(_ arguments: [String]) throws -> ChildProcess {
                try ChildProcess(
                    "/bin/bash", ["-c", rawValue, "bash", try ChildProcess.buildDirectory() + "/iocp"] + arguments)
            }
        }

        @Test("a write that fails ends the command with status 1 and one line", arguments: Sink.allCases)
        func failures(sink: Sink) throws {
            let server = try Server()
            let commands = [
                ["doctor"], ["doctor", "--json"],
                ["serve", "--host", "127.0.0.1", "--port", "0", "--workers", "1"],
                ["stress", "--port", server.port, "--connections", "2", "--duration", "0.2"],
                ["stats", "--pid", "\(server.child.processID)"],
                ["stats", "--json", "--pid", "\(server.child.processID)"],
            ]
            for command in commands {
                let child = try sink.run(command)
                #expect(try child.end() == 1, "\(command)")
                #expect(child.text(of: .errors) == "iocp: cannot write to stdout: \(sink.reason)\n", "\(command)")
            }
            let child = try sink.run([
                "stress", "--json", "--port", server.port, "--connections", "2", "--duration", "0.2",
            ])
            #expect(try child.end() == 1)
            #expect(child.lines(of: .errors).last == "iocp: cannot write to stdout: \(sink.reason)")
            #expect(try server.end() == 0)
        }
    }
}

import ChildProcesses
import Foundation
import Testing

extension Commands {
    /// What `iocp top` leaves behind, and what it prints where there is no terminal.
    @Suite(needsRing, needsTmux) struct TopEnds {
        /// A terminal with top, and the settings that the terminal had before.
        private static func begin(_ server: Server, options: String = "") throws -> (Tmux, String) {
            let terminal = try Tmux(columns: 80, rows: 24)
            let settings = try terminal.settings()
            try terminal.run("\(terminal.iocp) top --pid \(server.child.processID) --interval 0.1 \(options)")
            try terminal.wait(showing: "msg/s")
            #expect(try terminal.state("alternate_on") == "1")
            #expect(try terminal.state("cursor_flag") == "0")
            return (terminal, settings)
        }

        /// The process that the shell of the terminal runs.
        private static func child(of terminal: Tmux) throws -> Int32 {
            let shell = try terminal.state("pane_pid")
            let children = try String(contentsOfFile: "/proc/\(shell)/task/\(shell)/children", encoding: .utf8)
            return try #require(children.split(separator: " ").last.flatMap { Int32($0) })
        }

        @Test("q and Ctrl-C give the terminal back as it was, with status 0", arguments: ["q", "C-c"])
        func keys(key: String) throws {
            let server = try Server()
            let (terminal, settings) = try TopEnds.begin(server)
            try terminal.press(key)
            #expect(try terminal.isRestored(settings))
            try terminal.run("echo status=$?")
            // stty came in between.
            try terminal.wait(showing: "status=0")
            #expect(try server.end() == 0)
        }

        @Test("signals do, too", arguments: [SIGTERM, SIGHUP, SIGQUIT, SIGINT, SIGSEGV])
        func signals(number: Int32) throws {
            let server = try Server()
            let (terminal, settings) = try TopEnds.begin(server)
            kill(try TopEnds.child(of: terminal), number)
            #expect(try terminal.isRestored(settings), "signal \(number)")
            #expect(try server.end() == 0)
        }

        @Test("Ctrl-Z gives it back, and fg takes it again")
        func suspended() throws {
            let server = try Server()
            let (terminal, settings) = try TopEnds.begin(server)
            try terminal.press("C-z")
            try terminal.wait(showing: "Stopped")
            #expect(try terminal.isRestored(settings))
            try terminal.run("fg")
            try terminal.wait(for: "the table") { $0.contains { $0.contains("msg/s") } && $0[0].hasPrefix("iocp top") }
            #expect(try terminal.state("alternate_on") == "1")
            try terminal.press("q")
            #expect(try terminal.isRestored(settings))
            #expect(try server.end() == 0)
        }

        @Test("a terminal that is closed leaves no process behind")
        func closed() throws {
            let server = try Server()
            /// The processes of a terminal that is gone when this returns.
            func processes() throws -> [Int32] {
                let (terminal, _) = try TopEnds.begin(server)
                return [
                    try TopEnds.child(of: terminal), try #require(Int32(try terminal.state("pane_pid"))),
                    try #require(Int32(try terminal.state("pid"))),
                ]
            }
            let left = try processes()
            let deadline = ContinuousClock.now + .seconds(10)
            while left.contains(where: { kill($0, 0) == 0 }) {
                try #require(ContinuousClock.now < deadline, "\(left.filter { kill($0, 0) == 0 }) of \(left) go on")
            }
            #expect(try server.end() == 0)
        }

        @Test("--count ends it, also after a resize and a stop of the server")
        func count() throws {
            let server = try Server()
            let (terminal, settings) = try TopEnds.begin(server, options: "--count 30")
            try terminal.resize(columns: 200, rows: 50)
            #expect(try terminal.isRestored(settings))
            #expect(try server.end() == 0)
        }

        // MARK: Others' names and numbers

        @Test("a name and numbers of another process cannot write to the terminal")
        func hostile() throws {
            let folder = NSTemporaryDirectory() + "iocp-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            // The kernel takes the command name from the file's.
            let name = "\u{1b}]2;X\u{7}\u{9b}\u{202e}日e\u{301}"
            let program = "\(folder)/\(name)"
            let iocp = try ChildProcess.buildDirectory() + "/iocp"
            try FileManager.default.createSymbolicLink(atPath: program, withDestinationPath: iocp)
            let server = try ChildProcess(program, ["serve", "--host", "127.0.0.1", "--port", "0", "--workers", "1"])
            _ = try server.line(of: .output, beginning: "listening on ")
            let terminal = try Tmux(columns: 80, rows: 24)
            let title = try terminal.state("pane_title")
            try terminal.run("\(terminal.iocp) top --pid \(server.processID) --interval 0.1")
            let screen = try terminal.wait(showing: "msg/s")
            #expect(
                screen[0].hasPrefix("iocp top  ?]2;X????") && screen[0].contains("  uring  1 worker "), "\(screen[0])")
            #expect(try terminal.state("pane_title") == title)
            for arguments in [["top", "--pid", "\(server.processID)", "--interval", "0.1"], ["stats"]] {
                let outcome = try Outcome(of: arguments)
                #expect(outcome.status == 0, "\(outcome.errors)")
                let scalars = outcome.output.unicodeScalars.filter { $0 != "\n" }
                #expect(
                    scalars.allSatisfy { $0.value >= 0x20 && $0.value < 0x7f || "\u{fffd}µ".unicodeScalars.contains($0) },
                    "\(outcome.output)")
            }
            let page = try HostilePage(workers: 5)
            let plain = try Outcome(of: [
                "top", "--pid", "\(page.child.processID)", "--interval", "0.1", "--count", "30",
            ])
            #expect(plain.status == 0 && plain.errors == "", "\(plain.errors)")
            #expect(plain.output.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value < 0x7f || $0 == "\n" })
        }

        @Test("without a terminal it prints one table")
        func plain() throws {
            let server = try Server(["--workers", "2"])
            let outcome = try Outcome(of: ["top", "--pid", "\(server.child.processID)", "--interval", "0.2"])
            #expect(outcome.status == 0 && outcome.errors == "", "\(outcome.errors)")
            let lines = outcome.outputLines
            #expect(lines.count == 5 && lines[0] == "process \(server.child.processID) (iocp), driver uring")
            #expect(lines[1].contains("state") && lines[1].contains("jobs/s") && lines[4].contains("total"))
            #expect(TopScreens.workers(lines).count == 2)
            #expect(try server.end() == 0)
            let gone = try Outcome(of: ["top", "--pid", "5000000"])
            #expect(gone.status == 1 && gone.errors == "iocp: there is no process 5000000\n")
        }
    }
}

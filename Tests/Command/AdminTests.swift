import ChildProcesses
import Foundation
import Testing

extension Commands {
    /// `iocp connections` and `iocp capture`, as their user sees them. What they find is tested beside the library.
    @Suite(needsRing) struct Admin {
        private static func name() -> String { "@iocp-command-admin-\(getpid())-\(UInt32.random(in: 0..<UInt32.max))" }

        @Test("a table, and JSON that fits its schema", arguments: ["uring", "epoll"])
        func lists(driver: String) throws {
            let name = Self.name()
            let server = try Server(["--driver", driver, "--admin", name])
            let load = try ChildProcess("iocp", ["stress", "--port", server.port, "--connections", "30", "--duration", "20"])
            _ = try load.line(of: .output, beginning: "connections established: 30")
            let table = try Outcome(of: ["connections", "--socket", name, "--limit", "5", "--interval", "0.1"])
            #expect(table.status == 0 && table.errors == "")
            #expect(table.outputLines.count == 7)
            #expect(table.outputLines.last == "5 shown of 30 that are meant, of 30 connections")
            #expect(table.outputLines.dropLast().allSatisfy { $0.count == table.outputLines[0].count })
            let json = try Outcome(of: ["connections", "--socket", name, "--limit", "1000", "--json"])
            #expect(json.status == 0 && json.errors == "")
            #expect(try SchemaCheck("docs/schemas/connections.schema.json").violations(in: json.output) == [])
            let value = try JSONValue.parse(json.output)
            #expect(value["connections"]?.array?.count == 30)
            let id = try #require(value["connections"]?.array?.first?["id"]?.text)
            let killed = try Outcome(of: ["connections", "--socket", name, "--id", id, "--kill"])
            #expect(killed.status == 0 && killed.outputLines.last == "1 connection reset")
            #expect(try load.end() == 1, "its connection was reset")
            #expect(try server.end() == 0)
        }

        @Test("a capture to a pipe; a file that is there is not written over, unless it is forced")
        func files() throws {
            let name = Self.name()
            let server = try Server(["--admin", name])
            let folder = NSTemporaryDirectory() + "iocp-capture-\(UUID().uuidString.prefix(8))"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let file = folder + "/talk.pcapng"
            let first = try Outcome(of: ["capture", "--socket", name, "--output", file, "--seconds", "1"])
            #expect(first.status == 0 && first.output == "" && first.errorLines == ["0 records of 0 connections, 0 dropped"])
            let second = try Outcome(of: ["capture", "--socket", name, "--output", file, "--seconds", "1"])
            #expect(second.status == 1 && second.errorLines.count == 1 && second.errors.contains("--force writes over it"))
            let forced = try Outcome(of: ["capture", "--socket", name, "--output", file, "--seconds", "1", "--force"])
            #expect(forced.status == 0)
            let load = try ChildProcess("iocp", ["stress", "--port", server.port, "--connections", "3", "--duration", "20"])
            _ = try load.line(of: .output, beginning: "connections established: 3")
            let command = try ChildProcess.buildDirectory() + "/iocp capture --socket \(name) --output - --bytes 200000"
            let piped = try ChildProcess("/bin/sh", ["-c", "\(command) | tshark -r - -q -z conv,tcp"])
            #expect(try piped.end() == 0)
            #expect(piped.text(of: .output).components(separatedBy: " <-> 127.0.0.1:\(server.port)").count == 4, "\(piped.text(of: .output))")
            #expect(try server.end() == 0)
        }

        @Test(
            "wrong usage names what is right",
            arguments: [
                (["connections"], "--socket"), (["connections", "--socket", "/x", "--kill"], "--kill takes --peer or --id"),
                (["connections", "--socket", "/x", "--limit", "0"], "--limit takes 1 to 1000"),
                (["connections", "--socket", "/x", "--interval", "61"], "--interval takes 0 to 60"),
                (["connections", "--socket", "/x", "--peer", "example.com"], "no address of peers"),
                (["connections", "--socket", "/x", "--id", "00"], "no id of a connection"),
                (["capture", "--socket", "/x"], "--output"),
                (["capture", "--socket", "/x", "--output", "f", "--seconds", "0"], "--seconds takes 1 to"),
                (["capture", "--socket", "/x", "--output", ""], "--output takes"),
            ])
        func usage(arguments: [String], words: String) throws {
            let outcome = try Outcome(of: arguments)
            #expect(outcome.status == 64 && outcome.errors.contains(words), "\(outcome.errors)")
        }

        @Test("where nobody listens, and where somebody else does, one line says so")
        func nobody() throws {
            let none = try Outcome(of: ["connections", "--socket", "/tmp/no/such.sock"])
            #expect(none.status == 1 && none.errorLines.count == 1 && none.errors.contains("nobody listens on the admin socket"))
            let name = Self.name()
            let echo = try ChildProcess("iocp", ["serve", "--unix", name, "--workers", "1"])
            _ = try echo.line(of: .output, beginning: "listening on ")
            // An echo server sends the request back, and waits for more.
            let wrong = try ChildProcess("iocp", ["capture", "--socket", name, "--output", "-"])
            #expect(try wrong.end() == 1)
            #expect(wrong.text(of: .errors).contains("this is no admin socket: it says 'capture bytes=1073741824'"))
            let taken = try Outcome(of: ["serve", "--port", "0", "--workers", "1", "--admin", name])
            #expect(taken.status == 1 && taken.errors.contains("cannot open the admin socket \(name)"))
        }

        @Test("a server that says what a terminal would obey is not obeyed")
        func hostile() throws {
            let name = Self.name()
            let text = #"ok 1 now=1 interval=0\nworker index=0 result=\e[31mok connections=1 meant=1 aborted=0\nconnection id=\e[2J worker=0 state=\a peer=\e]0;x\a listener=%1b%5b2J age=18446744073709551615 moved=18446744073709551615 rtt_us=18446744073709551615\nend\n"#
            let script = "import os, socket, sys\ns = socket.socket(socket.AF_UNIX); s.bind('\\0' + sys.argv[1][1:]); s.listen()\nprint('ready', flush=True)\nwhile True:\n    c = s.accept()[0]; c.recv(4096); c.sendall(sys.argv[2].encode()); c.close()"
            let answer = text.replacingOccurrences(of: #"\n"#, with: "\n").replacingOccurrences(of: #"\e"#, with: "\u{1b}")
                .replacingOccurrences(of: #"\a"#, with: "\u{7}")
            let server = try ChildProcess("/usr/bin/python3", ["-c", script, name, answer])
            _ = try server.line(of: .output, beginning: "ready")
            for form in [[], ["--json"]] {
                let outcome = try Outcome(of: ["connections", "--socket", name] + form)
                #expect(outcome.status == 1)
                #expect(!(outcome.output + outcome.errors).unicodeScalars.contains { $0.value < 32 && $0 != "\n" })
            }
            server.signal(SIGKILL)
        }
    }
}

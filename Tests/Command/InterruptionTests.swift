import ChildProcesses
import Foundation
import Testing

extension Commands {
    /// `iocp stress` that is asked to end early, and what it shows until then.
    @Suite(needsRing) struct Interruption {
        private static func load(_ server: Server, _ options: [String], onTerminal: Bool = false) throws -> ChildProcess
        {
            let load = try ChildProcess(
                "iocp", ["stress", "--port", server.port, "--connections", "8", "--duration", "60"] + options,
                errorsOnTerminal: onTerminal)
            _ = try load.line(
                of: options.contains("--json") ? .errors : .output, beginning: "connections established: 8")
            return load
        }

        @Test(
            "the figures so far are printed", arguments: [(SIGINT, Int32(130)), (SIGTERM, Int32(143))],
            [["--depth", "2"], ["--rate", "2000"], ["--churn"]])
        func figures(signal: (number: Int32, status: Int32), mode: [String]) throws {
            let server = try Server()
            let load = try Interruption.load(server, mode)
            load.signal(signal.number)
            #expect(try load.end(within: .seconds(15)) == signal.status)
            let lines = load.lines(of: .output)
            #expect(lines.contains { $0.hasPrefix("throughput: ") }, "\(lines)")
            #expect(lines.contains { $0.hasPrefix("latency: ") })
            #expect(lines.suffix(2) == ["errors: 0", "mismatches: 0"])
            let errors = load.lines(of: .errors)
            #expect(errors.count == 1 && errors[0].hasPrefix("iocp: interrupted after "), "\(errors)")
            #expect(try server.end() == 0)
        }

        @Test("the JSON is whole, and says so", arguments: [["--depth", "1"], ["--fan-out"]])
        func json(mode: [String]) throws {
            let server = try Server(mode == ["--fan-out"] ? ["--fan-out", "64"] : [])
            let load = try Interruption.load(server, mode + ["--json"])
            load.signal(SIGINT)
            #expect(try load.end(within: .seconds(15)) == 130)
            let object = try JSONSerialization.jsonObject(with: Data(load.text(of: .output).utf8))
            let report = try #require(object as? [String: Any])
            #expect(report["interrupted"] as? Bool == true)
            #expect(report["established"] as? Int == 8)
            #expect(report["errors"] as? Int == 0 && report["mismatches"] as? Int == 0)
            #expect(report["latency_us"] is [String: Double])
            #expect(try server.end() == 0)
        }

        @Test("before it measures, it tells how far it came", arguments: [false, true])
        func whileConnecting(isJSON: Bool) throws {
            let server = try Server(["--handler", "discard"])
            let load = try ChildProcess(
                "iocp", ["stress", "--port", server.port, "--connections", "3"] + (isJSON ? ["--json"] : []))
            _ = try load.line(of: .errors, beginning: "connecting: 0 of 3")
            load.signal(SIGINT)
            #expect(try load.end(within: .seconds(15)) == 130)
            #expect(load.lines(of: .errors).last == "iocp: interrupted: 0 of 3 connections were up")
            if isJSON {
                let object = try JSONSerialization.jsonObject(with: Data(load.text(of: .output).utf8))
                let report = try #require(object as? [String: Any])
                #expect(report["interrupted"] as? Bool == true && report["established"] as? Int == 0)
            } else {
                #expect(load.text(of: .output) == "")
            }
            #expect(try server.end() == 0)
        }

        @Test("a fault that came first is what it ends with")
        func afterAFault() throws {
            let faulty = try ChildProcess("FaultyServer", ["close", "10000"])
            let port = try faulty.line(of: .output, beginning: "")
            // One of the two connections is idle, and stays.
            let load = try ChildProcess(
                "iocp",
                ["stress", "--port", port, "--connections", "2", "--active", "2", "--rate", "50", "--duration", "60"])
            _ = try load.line(of: .output, beginning: "connections established: 2")
            load.signal(SIGINT)
            #expect([1, 130].contains(try load.end(within: .seconds(15))))
        }

        @Test("progress is shown on a terminal, and nowhere else")
        func progress() throws {
            let server = try Server()
            let shown = try Interruption.load(server, [], onTerminal: true)
            _ = try shown.text(of: .errors, containing: " s, ", within: .seconds(20))
            shown.signal(SIGINT)
            #expect(try shown.end(within: .seconds(15)) == 130)
            let text = shown.text(of: .errors)
            #expect(text.contains(/\rmeasuring: \d+ of 60\.0 s, [\d,]+ msg\/s/), "\(text)")
            #expect(text.contains("iocp: interrupted after "))
            let piped = try stress(port: server.port, ["--duration", "2.5"])
            #expect(piped.status == 0 && piped.errors == "", "\(piped.errors)")
            #expect(try server.end() == 0)
        }

        // MARK: The same failure, the same numbers

        private static let connections = ["--connections", "60", "--duration", "20"]

        /// Runs a load three times and returns what each said at its end.
        private static func endings(_ arguments: [String]) throws -> [String] {
            try (0..<3).map { _ in
                let outcome = try Outcome(of: ["stress", "--json"] + connections + arguments)
                #expect(outcome.status == 1, "\(outcome.errors)")
                let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
                let report = try #require(object as? [String: Any])
                let counts = ["established", "errors", "mismatches"].map { "\($0) \(report[$0] as? Int ?? -1)" }
                return (counts + [outcome.errorLines.last ?? ""]).joined(separator: ", ")
            }
        }

        @Test("a port that nobody listens on", arguments: [[], ["--workers", "2"], ["--churn"], ["--fan-out"]])
        func refused(options: [String]) throws {
            let server = try Server()
            #expect(try server.end() == 0)
            let endings = try Interruption.endings(["--port", server.port] + options)
            #expect(Set(endings).count == 1, "\(endings)")
            let count = options == ["--fan-out"] ? 61 : 60
            #expect(endings[0].hasPrefix("established 0, errors \(count), mismatches 0, "), "\(endings[0])")
            #expect(endings[0].hasSuffix("(and \(count - 1) more)"))
        }

        @Test(
            "a server that does one thing wrong to each connection",
            arguments: [
                (["corrupt", "10"], []), (["corrupt", "10000"], []), (["corrupt", "10000"], ["--active", "20"]),
                (["close", "10000"], []), (["corrupt", "20000", "relay"], ["--fan-out"]),
                (["close", "10"], ["--workers", "2"]),
            ])
        func wrong(fault: [String], options: [String]) throws {
            let faulty = try ChildProcess("FaultyServer", fault)
            let port = try faulty.line(of: .output, beginning: "")
            let endings = try Interruption.endings(["--port", port] + options).map {
                // Which of two ways an end of a connection is noticed in is TCP's to choose.
                $0.replacing(/ended a connection: .*(?=( \(and \d+ more\)))/, with: "ended")
                    // And how many greetings a fan-out's wrong byte comes after depends on how soon all were connected.
                    .replacing(/of frame \d+ is \d+ instead of \d+/, with: "of a frame")
            }
            #expect(Set(endings).count == 1, "\(endings)")
        }
    }
}

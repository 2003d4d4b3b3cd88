import ChildProcesses
import Foundation
import Testing

/// `iocp stress --by-turns`, which measures when its stdin says so.
extension Commands {
    @Suite(needsRing) struct Turns {
        /// A load of four connections that gets these lines on stdin and then its end.
        private static func load(
            _ lines: String, of server: Server, _ options: [String] = []
        ) throws -> (outcome: ChildProcess, status: Int32) {
            let program = try ChildProcess.buildDirectory() + "/iocp"
            let load = try ChildProcess(
                "/bin/sh",
                ["-c", "lines=$1 && shift && printf -- \"$lines\" | \"$0\" \"$@\"", program, lines, "stress", "--port"]
                    + [server.port, "--connections", "4", "--by-turns", "--json"] + options)
            return (load, try load.end())
        }

        private static func reports(_ load: ChildProcess) throws -> [[String: Any]] {
            try load.lines(of: .output).map {
                try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
            }
        }

        @Test(
            "each line of stdin is a turn, and the last report is of all that were measured",
            arguments: [
                [], ["--depth", "3", "--workers", "2"], ["--active", "2"], ["--rate", "2000"], ["--churn"],
                ["--fan-out"], ["--fan-out", "--workers", "3", "--depth", "2"],
            ])
        func turns(options: [String]) throws {
            let server = try Server(options.contains("--fan-out") ? ["--fan-out", "64"] : [])
            let (load, status) = try Turns.load(
                #"40 0\n10 60\n0 60\n"#, of: server, options + ["--server-pid", "\(server.child.processID)"])
            #expect(status == 0, "\(load.text(of: .errors))")
            let reports = try Turns.reports(load)
            try #require(reports.count == 4)
            let messages = try reports.map { try #require($0["messages"] as? Int) }
            #expect(messages[1] > 0 && messages[2] > 0)
            #expect(messages[3] == messages[1] + messages[2])
            let seconds = try reports.map { try #require($0["seconds"] as? Double) }
            #expect(abs(seconds[3] - seconds[1] - seconds[2]) < 1e-6)
            for report in reports.dropFirst() {
                #expect(try #require(report["server_cpu_us"] as? Double) > 0)
                #expect(try #require(report["load_cpu_us"] as? Double) > 0)
                for key in ["errors", "mismatches"] { #expect(report[key] as? Int == 0) }
                let percentiles = try #require(report["latency_percentiles_us"] as? [[Double]])
                #expect(percentiles.last?.first == 100)
                #expect(percentiles.map { $0[1] } == percentiles.map { $0[1] }.sorted())
                if options.contains("--rate") || options.contains("--churn") || options.contains("--fan-out") {
                    #expect(report["unanswered"] as? Int == 0)
                }
            }
            #expect(try server.end() == 0)
        }

        @Test("between two turns nothing is sent")
        func rest() throws {
            let server = try Server()
            let load = try ChildProcess(
                "/bin/sh",
                ["-c", "{ echo 0 30; sleep 0.5; } | \"$0\" \"$@\"", try ChildProcess.buildDirectory() + "/iocp"]
                    + ["stress", "--port", server.port, "--connections", "4", "--by-turns", "--json"])
            _ = try load.line(of: .output, beginning: "{")
            // The turn's report comes after its last answer, so whatever comes now would be new.
            let before = try received(server)
            #expect(try received(server) == before)
            #expect(try load.end() == 0)
            #expect(try server.end() == 0)
        }

        private func received(_ server: Server) throws -> Int {
            let outcome = try Outcome(of: ["stats", "--json", "--pid", "\(server.child.processID)"])
            let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any]
            return try #require((object?["total"] as? [String: Any])?["received_bytes"] as? Int)
        }

        @Test("what is no turn is a one-line error", arguments: ["x", "10", "10 20 30", "-1 5", "1 9999999999"])
        func badLine(line: String) throws {
            let server = try Server()
            let (load, status) = try Turns.load(line + #"\n"#, of: server)
            #expect(status == 1)
            #expect(
                load.lines(of: .errors).last
                    == "iocp: stdin: '\(line)' is no turn: write two numbers, milliseconds to settle and to measure")
            #expect(try server.end() == 0)
        }

        @Test("its options need each other")
        func options() throws {
            for (options, words) in [
                (["--by-turns"], "--by-turns prints JSON: add --json"),
                (["--server-pid", "1"], "--server-pid goes with --by-turns only"),
                (["--by-turns", "--json", "--server-pid", "0"], "--server-pid takes 1 to 2147483647, not 0"),
            ] {
                let outcome = try Outcome(of: ["stress"] + options)
                #expect(outcome.status == 64)
                #expect(outcome.errors.contains(words), "\(outcome.errors)")
            }
        }
    }
}

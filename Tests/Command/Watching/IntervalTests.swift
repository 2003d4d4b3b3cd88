import ChildProcesses
import Foundation
import Testing

extension Commands {
    /// `iocp stats --interval`.
    @Suite(needsRing) struct Interval {
        private static func watch(_ server: Server, _ options: [String]) -> [String] {
            ["stats", "--pid", "\(server.child.processID)", "--interval"] + options
        }

        @Test("a header, then a line per interval, and an end after --count of them")
        func lines() throws {
            let server = try Server()
            let outcome = try Outcome(of: Interval.watch(server, ["0.1", "--count", "25"]))
            #expect(outcome.status == 0 && outcome.errors == "", "\(outcome.errors)")
            let lines = outcome.outputLines
            // A screenful of what is no terminal is 24 rows, of which 22 are lines.
            #expect(lines.count == 27)
            let headers = lines.indices.filter { lines[$0].contains("messages/s") }
            #expect(headers == [0, 23])
            for column in [
                "connections", "accepted/s", "closed/s", "in/s", "out/s", "compl/enter", "unsent", "trouble",
            ] {
                #expect(lines[0].contains(column))
            }
            #expect(try server.end() == 0)
        }

        @Test("the JSON has an object on each line that keeps to the schema, with the rates of a load")
        func json() throws {
            let server = try Server()
            let watch = try ChildProcess("iocp", Interval.watch(server, ["0.2", "--json"]))
            _ = try watch.line(of: .output, beginning: "{")
            let load = try stress(port: server.port, ["--duration", "1"])
            #expect(load.status == 0, "\(load.errors)")
            // Until the interval is told in which the load went.
            let deadline = ContinuousClock.now + .seconds(20)
            while !watch.text(of: .output).contains(/"closed_per_second":[1-9]/) {
                try #require(ContinuousClock.now < deadline)
                _ = try? watch.text(of: .output, containing: "never", within: .milliseconds(50))
            }
            watch.signal(SIGINT)
            #expect(try watch.end() == 0)
            let schema = try SchemaCheck("docs/schemas/stats-interval.schema.json")
            var most: [String: Double] = [:]
            for line in watch.lines(of: .output) {
                #expect(try schema.violations(in: line) == [], "\(line)")
                let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
                for (key, value) in try #require(object as? [String: Any]) {
                    most[key] = max(most[key] ?? 0, value as? Double ?? 0)
                }
            }
            #expect(most["connections"] == 4)
            #expect(try #require(most["accepted_per_second"]) > 0)
            #expect(try #require(most["closed_per_second"]) > 0)
            let messages = try #require(most["messages_per_second"])
            #expect(messages > 100)
            #expect(try #require(most["received_bytes_per_second"]) >= messages)
            #expect(try #require(most["completions_per_enter"]) > 0)
            #expect(try server.end() == 0)
        }

        @Test("a server that is killed ends it with status 1 and one line", arguments: [[], ["--json"]])
        func killed(options: [String]) throws {
            let server = try Server()
            // The interval is long: the end is noticed all the same.
            let watch = try ChildProcess("iocp", Interval.watch(server, ["0.1"] + options))
            _ = try watch.line(of: .output, beginning: "")
            server.child.signal(SIGKILL)
            #expect(try watch.end(within: .seconds(10)) == 1)
            #expect(watch.text(of: .errors) == "iocp: process \(server.child.processID) has ended\n")
        }

        @Test("the end is noticed within a long interval")
        func killedInALongInterval() throws {
            let server = try Server()
            let watch = try ChildProcess("iocp", Interval.watch(server, ["3600", "--json"]))
            server.child.signal(SIGKILL)
            #expect(try watch.end(within: .seconds(10)) == 1)
            let line = watch.text(of: .errors)
            // It may have come too late to read the page at all.
            #expect(
                line.hasPrefix("iocp: process \(server.child.processID) has ")
                    || line == "iocp: there is no process \(server.child.processID)\n", "\(line)")
        }

        @Test("a stopped server is told, and that it goes on")
        func stopped() throws {
            let server = try Server()
            let watch = try ChildProcess("iocp", Interval.watch(server, ["0.1"]))
            server.child.signal(SIGSTOP)
            _ = try watch.text(of: .output, containing: "stopped", within: .seconds(10))
            server.child.signal(SIGCONT)
            let count = watch.text(of: .output).count
            var after = ""
            let deadline = ContinuousClock.now + .seconds(10)
            while !after.hasSuffix(" 0 B\n") {
                try #require(ContinuousClock.now < deadline)
                _ = try? watch.text(of: .output, containing: "never", within: .milliseconds(50))
                after = String(watch.text(of: .output).dropFirst(count))
            }
            watch.signal(SIGTERM)
            #expect(try watch.end() == 0)
            #expect(try server.end() == 0)
        }

        @Test("a page with any numbers, which go back and wrap, ends nothing", arguments: [[], ["--json"]])
        func hostile(options: [String]) throws {
            let page = try HostilePage(workers: 3)
            let arguments = ["stats", "--pid", "\(page.child.processID)", "--interval", "0.1", "--count", "30"]
            let outcome = try Outcome(of: arguments + options)
            #expect(outcome.status == 0 && outcome.errors == "", "\(outcome.errors)")
            #expect(outcome.outputLines.count >= 30)
            let schema = try SchemaCheck("docs/schemas/stats-interval.schema.json")
            if !options.isEmpty {
                for line in outcome.outputLines { #expect(try schema.violations(in: line) == [], "\(line)") }
            }
        }
    }
}

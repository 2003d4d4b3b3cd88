import ChildProcesses
import Foundation
import Testing

extension Commands {
    @Suite(needsRing) struct Stress {
        private static let keys: Set<String> = [
            "connections", "established", "messages", "messages_per_second", "bytes_per_second", "latency_us",
            "errors", "mismatches",
        ]

        private static func report(_ outcome: Outcome) throws -> [String: Any] {
            let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
            return try #require(object as? [String: Any])
        }

        @Test(
            "every byte comes back, and the JSON has exactly its keys",
            arguments: [
                ["--connections", "50"],
                ["--connections", "20", "--active", "3", "--depth", "16", "--size", "1"],
                ["--connections", "9", "--workers", "2", "--depth", "3", "--size", "5000"],
                ["--depth", "2", "--size", "1000000"],
                // More than all socket buffers hold: a load that waits for room to send before it reads never ends.
                ["--connections", "1", "--depth", "8", "--size", "8388608", "--duration", "2"],
            ])
        func echoes(options: [String]) throws {
            let server = try Server()
            let outcome = try stress(port: server.port, options + ["--json"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.outputLines.count == 1)
            let report = try Stress.report(outcome)
            #expect(Set(report.keys) == Stress.keys)
            #expect(report["established"] as? Int == report["connections"] as? Int)
            #expect(report["mismatches"] as? Int == 0)
            #expect(report["errors"] as? Int == 0)
            #expect(try #require(report["messages"] as? Int) > 0)
            let latency = try #require(report["latency_us"] as? [String: Double])
            #expect(Set(latency.keys) == ["p50", "p99", "p999", "max"])
            #expect(latency["p50"]! > 0 && latency["p50"]! <= latency["p99"]!)
            #expect(latency["p99"]! <= latency["p999"]! && latency["p999"]! <= latency["max"]!)
            #expect(outcome.errorLines.contains { $0.hasPrefix("connections established: ") })
            #expect(outcome.errorLines.contains { $0.hasPrefix("throughput: ") && $0.hasSuffix(" msg/s") })
            #expect(try server.end() == 0)
        }

        @Test("the text report has a unit for every figure")
        func text() throws {
            let server = try Server()
            let outcome = try stress(port: server.port)
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.errors == "")
            let lines = outcome.outputLines
            try #require(lines.count == 6)
            #expect(lines[0] == "connections established: 4")
            #expect(lines[1].wholeMatch(of: /throughput: \d+ msg\/s/) != nil)
            let time = /[\d.]+ (µs|ms|s)/
            let latency = lines[2].split(separator: ": ").last?.split(separator: ", ") ?? []
            #expect(latency.map { $0.prefix { $0 != " " } } == ["p50", "p99", "p99.9", "max"])
            #expect(latency.allSatisfy { $0.drop { $0 != " " }.dropFirst().wholeMatch(of: time) != nil })
            #expect(lines[3].contains("iB/s, "))
            #expect(lines[4] == "errors: 0")
            #expect(lines[5] == "mismatches: 0")
            #expect(try server.end() == 0)
        }

        @Test("idle connections are held open, and none needs to be active")
        func idle() throws {
            let server = try Server()
            let outcome = try stress(port: server.port, ["--connections", "300", "--active", "0"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.outputLines.first == "connections established: 300")
            #expect(outcome.outputLines.contains("latency: no messages"))
            #expect(try server.end() == 0)
        }

        @Test("one thread holds more connections than the files it may open")
        func moreThanFiles() throws {
            let server = try Server()
            let program = try ChildProcess.buildDirectory() + "/iocp"
            let load = try ChildProcess(
                "/bin/sh",
                ["-c", "ulimit -n 100 && exec \"$0\" \"$@\"", program, "stress", "--port", server.port]
                    + ["--connections", "300", "--duration", "0.3"])
            #expect(try load.end() == 0)
            #expect(load.text(of: .errors) == "")
            #expect(try server.end() == 0)
        }

        @Test("a closed port is a one-line error")
        func refused() throws {
            let server = try Server()
            #expect(try server.end() == 0)
            let outcome = try stress(port: server.port)
            #expect(outcome.status == 1)
            #expect(outcome.output == "")
            #expect(outcome.errorLines.count == 1)
            #expect(outcome.errors.hasPrefix("iocp: cannot connect to 127.0.0.1:\(server.port): "))
            #expect(outcome.errors.contains("ECONNREFUSED"))
        }

        @Test("a server that does not echo is a one-line error, and the JSON is still whole")
        func discarded() throws {
            let server = try Server(["--handler", "discard"])
            let outcome = try stress(port: server.port, ["--connect-timeout", "0.5", "--json"])
            #expect(outcome.status == 1)
            #expect(outcome.errorLines.count == 1)
            #expect(outcome.errors.contains("4 of 4 connections echoed nothing within 0.5 s"))
            let report = try Stress.report(outcome)
            #expect(Set(report.keys) == Stress.keys)
            #expect(report["established"] as? Int == 0)
            #expect(try server.end() == 0)
        }

        // The first message of 64 bytes comes before measuring; 10,000 bytes are reached during it.
        @Test(
            "a wrong byte is a mismatch",
            arguments: [("corrupt", "10"), ("corrupt", "10000"), ("add", "10"), ("add", "10000")])
        func mismatch(fault: String, position: String) throws {
            let faulty = try ChildProcess("FaultyServer", [fault, position])
            let port = try faulty.line(of: .output, beginning: "")
            let outcome = try stress(port: port, ["--json", "--duration", "20"])
            #expect(outcome.status == 1)
            let report = try Stress.report(outcome)
            #expect((1...4).contains(try #require(report["mismatches"] as? Int)))
            #expect(report["errors"] as? Int == 0)
            let message = try #require(outcome.errorLines.last)
            #expect(message.wholeMatch(of: /iocp: \d mismatch(es)?, first connection \d: .*/) != nil, "\(message)")
        }

        @Test("a connection that the server closes is an error", arguments: ["10", "10000"])
        func closed(position: String) throws {
            let faulty = try ChildProcess("FaultyServer", ["close", position])
            let port = try faulty.line(of: .output, beginning: "")
            let outcome = try stress(port: port, ["--json", "--duration", "20"])
            #expect(outcome.status == 1)
            let report = try Stress.report(outcome)
            #expect((1...4).contains(try #require(report["errors"] as? Int)))
            #expect(report["mismatches"] as? Int == 0)
            let message = try #require(outcome.errorLines.last)
            #expect(message.hasPrefix("iocp: 127.0.0.1:\(port) ended a connection: "))
        }
    }
}

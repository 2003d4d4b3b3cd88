import ChildProcesses
import Foundation
import Testing

/// The loads of `iocp stress` besides the closed loop of echoes.
extension Commands {
    @Suite(needsRing) struct LoadModes {
        private static let keys: Set<String> = [
            "connections", "established", "messages", "messages_per_second", "bytes_per_second", "latency_us",
            "errors", "mismatches", "unanswered",
        ]

        /// The JSON of a load that found nothing wrong, with these keys and no others.
        private static func report(_ outcome: Outcome, besides more: Set<String>) throws -> [String: Any] {
            #expect(outcome.status == 0, "\(outcome.errors)")
            let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
            let report = try #require(object as? [String: Any])
            #expect(Set(report.keys) == keys.union(more))
            for key in ["errors", "mismatches", "unanswered"] { #expect(report[key] as? Int == 0) }
            #expect(report["established"] as? Int == report["connections"] as? Int)
            #expect(try #require(report["messages"] as? Int) > 0)
            for key in more.union(["latency_us"]) where key.hasSuffix("_us") {
                let latency = try #require(report[key] as? [String: Double])
                #expect(Set(latency.keys) == ["p50", "p99", "p999", "max"])
                #expect(latency["p50"]! <= latency["p99"]! && latency["p99"]! <= latency["max"]!)
            }
            return report
        }

        // MARK: Churn

        @Test(
            "connections come and go, and their cycles are counted",
            arguments: ["uring", "epoll"], [["--size", "64"], ["--size", "50000", "--workers", "2"]])
        func churn(driver: String, options: [String]) throws {
            let server = try Server(["--driver", driver])
            let outcome = try stress(port: server.port, ["--churn", "--json"] + options)
            let report = try LoadModes.report(outcome, besides: ["connect_us"])
            #expect(try #require(report["messages"] as? Int) > 4)
            #expect(outcome.errorLines.contains { $0.hasSuffix(" cycles/s") })
            #expect(try server.end() == 0)
        }

        // MARK: Open loop

        @Test(
            "a rate is kept, whatever the number of connections and workers", arguments: ["uring", "epoll"],
            [["--connections", "1"], ["--connections", "7", "--active", "5", "--workers", "2", "--size", "3000"]])
        func rate(driver: String, options: [String]) throws {
            let server = try Server(["--driver", driver])
            let outcome = try stress(port: server.port, ["--rate", "1000", "--duration", "0.5", "--json"] + options)
            let report = try LoadModes.report(
                outcome, besides: ["rate_asked", "behind_schedule_us", "generator_bound"])
            #expect(report["rate_asked"] as? Int == 1_000)
            // The schedule is kept to the end even by a load that is late, so that nothing due goes missing.
            #expect(try (480...1_000).contains(#require(report["messages"] as? Int)))
            #expect(try server.end() == 0)
        }

        // A closed loop would send 4 messages into the stall; the schedule has 100 ms full of them.
        @Test("a stall of the server shows in the tail of an open loop")
        func stall() throws {
            let faulty = try ChildProcess("FaultyServer", ["stall", "6400"])
            let port = try faulty.line(of: .output, beginning: "")
            let outcome = try stress(port: port, ["--rate", "2000", "--duration", "1", "--json"])
            let report = try LoadModes.report(
                outcome, besides: ["rate_asked", "behind_schedule_us", "generator_bound"])
            let latency = try #require(report["latency_us"] as? [String: Double])
            #expect(latency["p999"]! >= 90_000)
            #expect(latency["p99"]! >= 70_000)
        }

        @Test("the text report tells how late the load itself was")
        func behind() throws {
            let server = try Server()
            let outcome = try stress(port: server.port, ["--rate", "500"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.outputLines.contains("rate: 500 msg/s asked for"))
            #expect(outcome.outputLines.contains { $0.hasPrefix("behind its schedule: p50 ") })
            #expect(try server.end() == 0)
        }

        // MARK: Fan-out

        @Test(
            "every subscriber gets every frame, across the workers of both sides", arguments: ["uring", "epoll"],
            [("1", "8", "1", "1"), ("2", "1024", "2", "3"), ("1", "100000", "1", "2"), ("2", "3000000", "1", "1")])
        func fanOut(driver: String, shape: (workers: String, size: String, loadWorkers: String, depth: String)) throws {
            let server = try Server(["--driver", driver, "--workers", shape.workers, "--fan-out", shape.size])
            let outcome = try stress(
                port: server.port,
                ["--fan-out", "--connections", "20", "--size", shape.size, "--workers", shape.loadWorkers]
                    + ["--depth", shape.depth, "--json"])
            let report = try LoadModes.report(outcome, besides: ["frames", "frame_us"])
            let frames = try #require(report["frames"] as? Int)
            #expect(frames > 0)
            #expect(report["messages"] as? Int == frames * 20)
            #expect(outcome.errorLines.contains { $0.hasSuffix(" deliveries/s") })
            #expect(try server.end() == 0)
        }

        @Test("an echo server is no fan-out, and the other way round")
        func mixedUp() throws {
            let echo = try Server()
            var outcome = try stress(port: echo.port, ["--fan-out"])
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("the publisher got 64 bytes"), "\(outcome.errors)")
            #expect(try echo.end() == 0)
            let relay = try Server(["--fan-out", "65"])
            outcome = try stress(port: relay.port, ["--fan-out", "--connect-timeout", "0.5"])
            #expect(outcome.status == 1)
            #expect(relay.child.text(of: .errors) == "")
            #expect(try relay.end() == 0)
        }

        @Test("a subscriber that does not read loses frames, and the others none")
        func slowSubscriber() throws {
            let server = try Server(["--fan-out", "65536"])
            // Holds its connection and reads nothing.
            let silent = try ChildProcess(
                "/bin/bash", ["-c", "exec 3<>/dev/tcp/127.0.0.1/\(server.port); echo up; exec sleep 60"])
            _ = try silent.line(of: .output, beginning: "up")
            let outcome = try stress(
                port: server.port, ["--fan-out", "--size", "65536", "--depth", "4", "--duration", "1", "--json"])
            _ = try LoadModes.report(outcome, besides: ["frames", "frame_us"])
            silent.signal(9)
            #expect(try server.end() == 0)
        }

        // MARK: Faults

        @Test(
            "every load notices a wrong byte, one too many and one too few",
            arguments: [["--churn"], ["--rate", "2000"], ["--fan-out"]],
            [["corrupt", "10"], ["corrupt", "20000"], ["add", "10"], ["add", "20000"], ["drop", "6400"]])
        func mismatch(mode: [String], fault: [String]) throws {
            // A connection of a churn carries 64 bytes, and can lack some only by not ending.
            if mode == ["--churn"], fault[1] != "10" { return }
            // A relay's first frames may find no subscriber yet.
            if mode == ["--fan-out"], fault[1] == "10" { return }
            // What a lost frame leaves out shows with the next one, so more than one is outstanding.
            let isFanOut = mode == ["--fan-out"]
            let faulty = try ChildProcess("FaultyServer", fault + (isFanOut ? ["relay"] : []))
            let port = try faulty.line(of: .output, beginning: "")
            let outcome = try stress(
                port: port, mode + ["--duration", "20", "--json"] + (isFanOut ? ["--depth", "4"] : []))
            #expect(outcome.status == 1)
            let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
            let report = try #require(object as? [String: Any])
            #expect(try #require(report["mismatches"] as? Int) > 0, "\(outcome.errors)")
            let message = try #require(outcome.errorLines.last)
            #expect(message.wholeMatch(of: /iocp: \d+ mismatch(es)?, first (connection|subscriber) \d: .*/) != nil)
            if isFanOut, fault[0] == "drop" { #expect(message.contains("the server dropped or cut 1")) }
        }

        @Test(
            "a connection that the server closes is an error",
            arguments: [["--churn", "10"], ["--rate=2000", "10000"], ["--fan-out", "10000"]])
        func closed(mode: [String]) throws {
            let relay = mode[0] == "--fan-out" ? ["relay"] : []
            let faulty = try ChildProcess("FaultyServer", ["close", mode[1]] + relay)
            let port = try faulty.line(of: .output, beginning: "")
            let outcome = try stress(port: port, [mode[0], "--duration", "20"])
            #expect(outcome.status == 1)
            let message = try #require(outcome.errorLines.last)
            #expect(message.hasPrefix("iocp: 127.0.0.1:\(port) ended a connection: "), "\(message)")
        }

        @Test("what never comes is told, and not waited for without end")
        func unanswered() throws {
            let faulty = try ChildProcess("FaultyServer", ["drop", "6400", "relay"])
            let port = try faulty.line(of: .output, beginning: "")
            let outcome = try stress(port: port, ["--fan-out", "--json"])
            #expect(outcome.status == 1)
            #expect(outcome.errorLines.last?.hasPrefix("iocp: 4 deliveries that were due never came: ") == true)
            let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
            #expect(try #require(object as? [String: Any])["unanswered"] as? Int == 4)
        }
    }
}

import ChildProcesses
import Foundation
import Testing

extension Commands {
    @Suite(needsRing) struct Stats {
        /// Scripts read these.
        private static let longSince: Set<String> = [
            "connections", "accepted", "connected", "closed", "received_bytes", "sent_bytes", "received_operations",
            "sent_operations", "completions", "enters", "posts", "unsent_bytes", "starved_receives", "short_sends",
            "refused_sends",
            "accept_failures", "delayed_accepts", "refused_addresses", "timeouts", "queue_overflows",
        ]

        /// How each field's total is made, as --fields tells it.
        private static func totals() throws -> [String: String] {
            let outcome = try Outcome(of: ["stats", "--fields", "--json"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let list = try JSONDecoder().decode([String: [[String: String]]].self, from: Data(outcome.output.utf8))
            return Dictionary(
                uniqueKeysWithValues: try #require(list["fields"]).map { ($0["name"] ?? "", $0["total"] ?? "") })
        }

        /// A server of two workers that has served ten connections.
        private static func usedServer() throws -> Server {
            let server = try Server(["--workers", "2"])
            let outcome = try stress(port: server.port, ["--connections", "10"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            return server
        }

        @Test("a row per worker and a total, in columns")
        func table() throws {
            let server = try Stats.usedServer()
            let outcome = try Outcome(of: ["stats", "--pid", "\(server.child.processID)"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.errors == "")
            let lines = outcome.outputLines
            try #require(lines.count > 5)
            #expect(lines[0].hasPrefix("process \(server.child.processID), driver "))
            #expect(lines[0].hasSuffix(", 2 workers"))
            #expect(Set(lines[1...4].map(\.count)).count == 1, "columns are not aligned:\n\(outcome.output)")
            let columns =
                ["core", "node", "busy", "connections", "accepted", "closed", "received", "sent"]
                + ["sent ops", "completions", "enters"]
            #expect(lines[1].contains("received ops"))
            for column in columns { #expect(lines[1].contains(column)) }
            #expect(lines[4].split(separator: " ").first == "total")
            #expect(lines[4].contains("iB"), "bytes without their unit: \(lines[4])")
            let rows = lines[5...].map { $0.split(separator: " ").map(String.init) }
            #expect(rows.contains(["at", "most", "count", "p50", "p99", "p99.9", "all"]), "\(outcome.output)")
            #expect(rows.contains { $0.starts(with: ["wait", "completions"]) && $0.count == 7 }, "\(outcome.output)")
            #expect(rows.contains { $0.first == "turn" }, "\(outcome.output)")
            #expect(lines.contains { $0.hasPrefix("time: application ") && $0.contains("%, idle ") })
            #expect(lines.last?.hasPrefix("features: multishot accept, ") == true, "\(outcome.output)")
            #expect(try server.end() == 0)
        }

        @Test("the JSON has exactly its keys, and the total is the sum of the workers")
        func json() throws {
            let server = try Stats.usedServer()
            let outcome = try Outcome(of: ["stats", "--json", "--pid", "\(server.child.processID)"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
            let report = try #require(object as? [String: Any])
            #expect(Set(report.keys) == ["pid", "driver", "workers", "total", "histograms", "own"])
            #expect(report["pid"] as? Int32 == server.child.processID)
            let workers = try #require(report["workers"] as? [[String: Any]])
            let total = try #require(report["total"] as? [String: Int])
            #expect(workers.count == 2)
            let totals = try Stats.totals()
            for worker in workers {
                #expect(Set(worker.keys) == Set(totals.keys).union(["core", "node", "busy_ns"]))
            }
            #expect(Set(total.keys) == Set(totals.keys.filter { totals[$0] != "none" }))
            #expect(Stats.longSince.isSubset(of: total.keys) && totals["asleep"] == "none")
            for counter in totals.keys where totals[counter] == "sum" {
                #expect(total[counter] == workers.reduce(0) { $0 + ($1[counter] as? Int ?? 0) }, "\(counter)")
            }
            #expect(total["accepted"] == 10)
            #expect(try #require(total["received_bytes"]) >= 640)
            #expect(try #require(total["received_operations"]) >= 10)
            #expect(try server.end() == 0)
        }

        @Test("without --pid several processes are listed, and --json has a report of each")
        func several() throws {
            let servers = [try Server(), try Server(["--workers", "3"])]
            // Other programs on this machine may have ports as well.
            let list = try Outcome(of: ["stats"])
            #expect(list.status == 0 && list.errors == "", "\(list.errors)")
            let rows = list.outputLines.map { $0.split(separator: " ").map(String.init) }
            #expect(rows.first == ["pid", "command", "driver", "workers", "connections"])
            for (server, workers) in zip(servers, ["1", "3"]) {
                let row = try #require(rows.first { $0.first == "\(server.child.processID)" })
                #expect(row[1] == "iocp" && row[3] == workers && row[4] == "0", "\(row)")
            }
            let json = try Outcome(of: ["stats", "--json"])
            let reports = try #require(
                try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]])
            for (server, workers) in zip(servers, [1, 3]) {
                let report = try #require(reports.first { $0["pid"] as? Int32 == server.child.processID })
                #expect((report["workers"] as? [Any])?.count == workers && report["command"] as? String == "iocp")
            }
            #expect(try SchemaCheck("docs/schemas/stats.schema.json").violations(in: json.output) == [])
            for server in servers { #expect(try server.end() == 0) }
        }

        @Test("one that only reads a page is no process with a port")
        func readersAreNone() throws {
            let server = try Server()
            let reader = try ChildProcess(
                "iocp", ["stats", "--pid", "\(server.child.processID)", "--interval", "60", "--json"])
            // It has the page open once its signal is caught rather than deadly; so ask until /proc shows the page.
            let deadline = ContinuousClock.now + .seconds(20)
            while !(try hasPageOpen(reader.processID)) { try #require(ContinuousClock.now < deadline) }
            let outcome = try Outcome(of: ["stats", "--pid", "\(reader.processID)"])
            #expect(outcome.status == 1)
            #expect(outcome.errors == "iocp: process \(reader.processID) has no completion port\n")
            reader.signal(SIGINT)
            #expect(try reader.end() == 0)
            #expect(try server.end() == 0)
        }

        private func hasPageOpen(_ processID: Int32) throws -> Bool {
            let folder = "/proc/\(processID)/fd"
            return try FileManager.default.contentsOfDirectory(atPath: folder).contains {
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\($0)"))?
                    .contains("iocp-stats") ?? false
            }
        }

        @Test("the JSON keeps to its schema")
        func schema() throws {
            let server = try Stats.usedServer()
            let outcome = try Outcome(of: ["stats", "--json", "--pid", "\(server.child.processID)"])
            let schema = try SchemaCheck("docs/schemas/stats.schema.json")
            #expect(try schema.violations(in: outcome.output) == [])
            // What the schema forbids is found.
            for (from, to) in [
                ("\"driver\":", "\"Driver\":"), ("\"pid\":", "\"pid\":-"), ("\"accepted\":", "\"accepted\":-1"),
                ("\"asleep\":", "\"asleep\":[],\"asleep2\":"), ("\"node\":0", "\"node\":null"),
            ] {
                let broken = outcome.output.replacingOccurrences(of: from, with: to)
                let faults = try schema.violations(in: broken)
                #expect(broken != outcome.output && !faults.isEmpty, "\(to)")
            }
            #expect(try server.end() == 0)
        }

        @Test("a process without a port is a one-line error")
        func noPort() throws {
            let other = try ChildProcess("FaultyServer", ["close", "0"])
            _ = try other.line(of: .output, beginning: "")
            let outcome = try Outcome(of: ["stats", "--pid", "\(other.processID)"])
            #expect(outcome.status == 1)
            #expect(outcome.output == "")
            #expect(outcome.errors == "iocp: process \(other.processID) has no completion port\n")
        }

        @Test("a process that is gone is a one-line error")
        func noProcess() throws {
            // Above the kernel's largest process id.
            let outcome = try Outcome(of: ["stats", "--json", "--pid", "5000000"])
            #expect(outcome.status == 1)
            #expect(outcome.output == "")
            #expect(outcome.errors == "iocp: there is no process 5000000\n")
        }
    }
}

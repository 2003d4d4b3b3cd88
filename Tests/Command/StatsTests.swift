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
            try #require(lines.count == 5)
            #expect(lines[0].hasPrefix("process \(server.child.processID), driver "))
            #expect(lines[0].hasSuffix(", 2 workers"))
            #expect(Set(lines[1...].map(\.count)).count == 1, "columns are not aligned:\n\(outcome.output)")
            let columns =
                ["core", "node", "busy", "connections", "accepted", "closed", "received", "sent"]
                + ["sent ops", "completions", "enters"]
            #expect(lines[1].contains("received ops"))
            for column in columns { #expect(lines[1].contains(column)) }
            #expect(lines[4].split(separator: " ").first == "total")
            #expect(lines[4].contains("iB"), "bytes without their unit: \(lines[4])")
            #expect(try server.end() == 0)
        }

        @Test("the JSON has exactly its keys, and the total is the sum of the workers")
        func json() throws {
            let server = try Stats.usedServer()
            let outcome = try Outcome(of: ["stats", "--json", "--pid", "\(server.child.processID)"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let object = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
            let report = try #require(object as? [String: Any])
            #expect(Set(report.keys) == ["pid", "driver", "workers", "total"])
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

        @Test("without --pid it takes the only port, or asks to choose")
        func choice() throws {
            // Other programs on this machine may have ports as well, so both answers are right.
            let server = try Server()
            let outcome = try Outcome(of: ["stats"])
            if outcome.status == 0 {
                #expect(outcome.output.hasPrefix("process \(server.child.processID), "))
            } else {
                #expect(outcome.status == 1)
                #expect(outcome.errorLines.count == 1)
                #expect(outcome.errors.hasPrefix("iocp: several processes have a completion port: "))
                #expect(outcome.errors.contains("\(server.child.processID)"))
                #expect(outcome.errors.contains("--pid"))
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

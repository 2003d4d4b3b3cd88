import ChildProcesses
import Foundation
import Testing

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

extension Commands {
    /// `iocp hold`, and the server that it is meant for.
    @Suite(needsRing) struct Hold {
        /// The port after " publishers=".
        private static func publishPort(_ server: Server) throws -> String {
            let word = try #require(server.readyLine.split(separator: " ").first { $0.hasPrefix("publishers=") })
            return String(try #require(word.split(separator: ":").last))
        }

        private static func hold(_ server: Server, _ options: [String]) throws -> Outcome {
            try Outcome(of: ["hold", "--port", server.port, "--rest", "0.2", "--beat", "0.5"] + options)
        }

        private static func phases(_ outcome: Outcome) throws -> [String: [String: Any]] {
            var found: [String: [String: Any]] = [:]
            for line in outcome.outputLines {
                let object = try JSONSerialization.jsonObject(with: Data(line.utf8))
                let phase = try #require(object as? [String: Any])
                if phase["event"] as? String == "ended" { found[try #require(phase["phase"] as? String)] = phase }
            }
            return found
        }

        @Test("every connection is accounted for, by the load and by the server", arguments: ["uring", "epoll"])
        func accounts(driver: String) throws {
            let server = try Server([
                "--driver", driver, "--workers", "3", "--fan-out", "64", "--publish-port", "0", "--connections", "900",
            ])
            #expect(server.readyLine.contains("workers=3"))
            let outcome = try Self.hold(
                server,
                [
                    "--connections", "700", "--active", "40", "--rate", "800", "--reconnects", "300", "--json",
                    "--publish-port", Self.publishPort(server), "--server-pid", "\(server.child.processID)",
                ])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let phases = try Self.phases(outcome)
            #expect(
                Set(phases.keys) == ["connect", "hold", "heartbeat", "reconnect", "broadcast", "close", "account"])
            for name in ["connect", "broadcast", "close"] { #expect(phases[name]?["count"] as? Int == 700) }
            #expect(phases["reconnect"]?["count"] as? Int == 300)
            #expect(try #require(phases["heartbeat"]?["messages"] as? Int) >= 300)
            #expect(phases["hold"]?["server_cpu_us"] as? Double != nil)
            let account = try #require(phases["account"]?["account"] as? [String: Int])
            #expect(
                account == [
                    "opened": 1_000, "reconnected": 300, "dropped": 300, "finished": 700, "lost": 0, "refused": 0,
                    "errors": 0, "mismatches": 0, "publishers": 1,
                ])
            let stats = try Outcome(of: ["stats", "--json", "--pid", "\(server.child.processID)"])
            let object = try JSONSerialization.jsonObject(with: Data(stats.output.utf8)) as? [String: Any]
            let total = try #require(object?["total"] as? [String: Any])
            #expect(total["accepted"] as? Int == 1_001)
            #expect(try server.end() == 0)
            #expect(server.child.text(of: .errors) == "")
        }

        @Test("a server that only echoes is held without a broadcast, in text, and with the kernel's ports")
        func text() throws {
            let server = try Server()
            let outcome = try Self.hold(server, ["--connections", "60", "--active", "2", "--no-source-ports"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            let words = outcome.outputLines.map { String($0.prefix { $0 != ":" }) }
            #expect(words == ["connected", "held", "heartbeat", "reconnected", "closed", "account"])
            #expect(
                outcome.outputLines.last
                    == "account: 63 opened = 60 closed + 3 dropped + 0 lost; 0 refused, 0 errors, 0 mismatches")
            #expect(try server.end() == 0)
        }

        @Test("a frame of many sizes reaches all, from a publisher that is sent nothing", arguments: [1, 64, 16_384])
        func sizes(bytes: Int) throws {
            let server = try Server(["--fan-out", "\(bytes)", "--publish-port", "0", "--workers", "2"])
            let outcome = try Self.hold(
                server,
                [
                    "--connections", "600", "--active", "0", "--reconnects", "0", "--size", "\(bytes)",
                    "--publish-port", Self.publishPort(server),
                ])
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.outputLines.contains { $0.hasPrefix("broadcast: 600 connections in ") })
            #expect(try server.end() == 0)
        }

        @Test("a server that dies is said to have ended its connections")
        func deadServer() throws {
            let server = try Server()
            let load = try ChildProcess(
                "iocp", ["hold", "--port", server.port, "--connections", "50", "--rest", "30"])
            _ = try load.line(of: .output, beginning: "connected: ")
            server.child.signal(SIGKILL)
            #expect(try load.end() == 1)
            let errors = load.text(of: .errors)
            #expect(errors.contains("ended a connection"), "\(errors)")
            _ = try server.child.end()
        }

        @Test("an interrupted hold ends with the signal's status")
        func interrupted() throws {
            let server = try Server()
            let load = try ChildProcess(
                "iocp", ["hold", "--port", server.port, "--connections", "50", "--rest", "30"])
            _ = try load.line(of: .output, beginning: "connected: ")
            load.signal(SIGINT)
            #expect(try load.end() == 130)
            #expect(load.lines(of: .errors).last == "iocp: interrupted")
            #expect(try server.end() == 0)
        }

        @Test("workers that are given and hold too few are refused in one line")
        func tooFewWorkers() throws {
            let outcome = try Outcome(of: [
                "serve", "--port", "0", "--workers", "1", "--connections", "2000000",
            ])
            #expect(outcome.status == 1)
            #expect(outcome.errorLines.count == 1, "\(outcome.errors)")
            #expect(outcome.errors.contains("the connections cannot be held (EMFILE)"), "\(outcome.errors)")
        }
    }
}

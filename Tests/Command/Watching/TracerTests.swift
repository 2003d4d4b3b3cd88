import ChildProcesses
import Foundation
import Testing

extension Commands {
    /// What the page says of the kernel's entries is what another program counts.
    @Suite(needsRing) struct Tracers {
        /// What `iocp stats --json` says of a process, all workers together.
        private struct Told: Decodable {
            struct Histogram: Decodable {
                let name: String
                let count, sum: UInt64
            }
            let total: [String: UInt64]
            let histograms: [Histogram]

            static func of(_ process: Int32) throws -> Told {
                let outcome = try Outcome(of: ["stats", "--json", "--pid", "\(process)"])
                return try JSONDecoder().decode(Told.self, from: Data(outcome.output.utf8))
            }

            func histogram(_ name: String) throws -> Histogram { try #require(histograms.first { $0.name == name }) }
        }

        /// A server under `strace -c`, and the process that is the server.
        private static func traced(_ driver: String, _ calls: String, into path: String) throws -> (ChildProcess, Int32, String) {
            let command = try ChildProcess.buildDirectory() + "/iocp"
            let strace = try ChildProcess(
                "/usr/bin/strace",
                ["-f", "-c", "-U", "calls,name", "-o", path, "-e", "trace=\(calls)", command]
                    + ["serve", "--host", "127.0.0.1", "--port", "0", "--workers", "1", "--driver", driver])
            let line = try strace.line(of: .output, beginning: "listening on ")
            let port = try #require(line.split(separator: " ")[2].split(separator: ":").last)
            let children = try String(
                contentsOfFile: "/proc/\(strace.processID)/task/\(strace.processID)/children", encoding: .utf8)
            return (strace, try #require(children.split(separator: " ").first.flatMap { Int32($0) }), String(port))
        }

        @Test(
            "entries into the kernel are as many as strace counts",
            .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/strace"), "strace is not installed"),
            arguments: [("uring", "io_uring_enter"), ("epoll", "epoll_wait,epoll_pwait2")])
        func entries(driver: String, calls: String) throws {
            let path = "/tmp/iocp-tracer-\(getpid())-\(driver)"
            defer { unlink(path) }
            let (strace, server, port) = try Tracers.traced(driver, calls, into: path)
            let load = try stress(port: port)
            #expect(load.status == 0, "\(load.errors)")
            let told = try Told.of(server)
            kill(server, SIGTERM)
            #expect(try strace.end() == 0)
            let counted = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").reduce(0 as UInt64) { sum, line in
                let words = line.split(separator: " ")
                guard words.count == 2, calls.contains(words[1]), let count = UInt64(words[0]) else { return sum }
                return sum + count
            }
            let enters = try #require(told.total["enters"])
            // What came before the worker's first wait, as the probe of the kernel, and after the reading: the stop.
            #expect(enters > 100 && counted >= enters && counted - enters < 100, "\(counted) counted, \(enters) told")
            let events = try told.histogram("wait_events")
            let completions = try told.histogram("wait_completions")
            let received = try #require(told.total["received_operations"])
            #expect(events.count <= enters && events.count > enters / 4)
            #expect(completions.sum == told.total["completions"])
            #expect(events.sum >= received)
        }
    }
}

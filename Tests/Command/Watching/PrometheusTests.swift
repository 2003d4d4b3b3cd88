import ChildProcesses
import Foundation
import Testing

/// Skips a test, with the reason shown, where Prometheus' programs are not installed.
private let needsPromtool = needs("/usr/bin/promtool")
private let needsPrometheus = needs("/usr/bin/prometheus")

private func needs(_ program: String) -> ConditionTrait {
    .enabled(if: FileManager.default.isExecutableFile(atPath: program), "\(program) is missing: .ci/deps tests")
}

extension Commands {
    /// `iocp stats --prometheus` and `iocp serve --metrics`, by the eyes of Prometheus' own programs.
    @Suite(needsRing) struct Prometheus {
        /// What promtool says of a text: nothing, if all is well.
        private static func check(_ text: String) throws -> (status: Int32, words: String) {
            let file = NSTemporaryDirectory() + "iocp-\(UUID().uuidString).prom"
            defer { try? FileManager.default.removeItem(atPath: file) }
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            let child = try ChildProcess("/bin/sh", ["-c", "/usr/bin/promtool check metrics < \(file)"])
            return (try child.end(), child.text(of: .output) + child.text(of: .errors))
        }

        /// The samples of a text by name and labels.
        static func samples(_ text: String) -> [String: String] {
            let lines = text.split(separator: "\n").filter { !$0.hasPrefix("#") }
            return Dictionary(
                lines.compactMap { line in
                    line.lastIndex(of: " ").map { (String(line[..<$0]), String(line[line.index(after: $0)...])) }
                }, uniquingKeysWith: { first, _ in first + " twice" })
        }

        @Test("promtool accepts it", needsPromtool, arguments: [false, true])
        func isAccepted(several: Bool) throws {
            let first = try Server(["--workers", "2"])
            let second = several ? try Server() : nil
            let load = try stress(port: first.port)
            #expect(load.status == 0)
            let choice = several ? [] : ["--pid", "\(first.child.processID)"]
            let outcome = try Outcome(of: ["stats", "--prometheus"] + choice)
            #expect(outcome.status == 0 && outcome.errors == "", "\(outcome.errors)")
            let (status, words) = try Prometheus.check(outcome.output)
            #expect(status == 0 && words == "", "\(words)")
            // promtool does find what is wrong.
            #expect(try Prometheus.check(outcome.output + "iocp_x 1\niocp_x 2\n").status != 0)
            let samples = Prometheus.samples(outcome.output)
            let pid = several ? "pid=\"\(first.child.processID)\"," : ""
            let accepted = ["0", "1"].reduce(0) {
                $0 + (Int(samples["iocp_accepted_total{\(pid)worker=\"\($1)\"}"] ?? "") ?? -1)
            }
            #expect(accepted == 4)
            #expect(samples["iocp_worker_info{\(pid)worker=\"0\",driver=\"uring\",core=\"0\",node=\"0\"}"] == "1")
            if let second {
                #expect(samples["iocp_connections{pid=\"\(second.child.processID)\",worker=\"0\"}"] == "0")
            }
            for server in [first] + (second.map { [$0] } ?? []) { #expect(try server.end() == 0) }
        }

        @Test("a page with any numbers keeps to the format", needsPromtool)
        func hostile() throws {
            let page = try HostilePage(workers: 3)
            let outcome = try Outcome(of: ["stats", "--prometheus", "--pid", "\(page.child.processID)"])
            #expect(outcome.status == 0 && outcome.errors == "", "\(outcome.errors)")
            let (status, words) = try Prometheus.check(outcome.output)
            #expect(status == 0 && words == "", "\(words)")
        }

        // MARK: The endpoint

        /// A server with an endpoint, and where that answers.
        private static func measured(_ options: [String] = []) throws -> (Server, String) {
            let server = try Server(["--metrics", "127.0.0.1:0"] + options)
            let address = try #require(server.readyLine.split(separator: "metrics=").last.map(String.init))
            return (server, address)
        }

        private static func curl(_ arguments: String...) throws -> (status: Int32, output: String) {
            let child = try ChildProcess("/usr/bin/curl", ["-sS", "--max-time", "10"] + arguments)
            return (try child.end(), child.text(of: .output))
        }

        @Test("curl gets the counters, and a word for what is not there")
        func curls() throws {
            let (server, address) = try Prometheus.measured()
            let load = try stress(port: server.port)
            #expect(load.status == 0)
            let got = try Prometheus.curl("-i", "http://\(address)/metrics")
            #expect(got.status == 0)
            #expect(got.output.hasPrefix("HTTP/1.1 200 OK\r\n"))
            #expect(got.output.contains("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"))
            let samples = Prometheus.samples(got.output)
            #expect(samples["iocp_accepted_total{worker=\"0\"}"] == "4")
            let head = try Prometheus.curl("-I", "http://\(address)/metrics?x=1")
            #expect(head.output.hasPrefix("HTTP/1.1 200 OK\r\n") && !head.output.contains("iocp_"))
            for (arguments, status) in [
                (["http://\(address)/"], "404"), (["-X", "POST", "http://\(address)/metrics"], "405"),
            ] {
                let child = try ChildProcess("/usr/bin/curl", ["-sSi"] + arguments)
                #expect(try child.end() == 0)
                #expect(child.text(of: .output).hasPrefix("HTTP/1.1 \(status) "))
            }
            // Stopped workers keep nobody from being told so: the endpoint has a thread of its own, but not a process.
            #expect(try server.end() == 0)
            #expect(try Prometheus.curl("http://\(address)/metrics").status == 7)
        }

        @Test("an address that is taken is a one-line error")
        func taken() throws {
            let (server, address) = try Prometheus.measured()
            let outcome = try Outcome(
                of: ["serve", "--host", "127.0.0.1", "--port", "0", "--workers", "1", "--metrics", address])
            #expect(outcome.status == 1 && outcome.output == "")
            #expect(outcome.errorLines.count == 1)
            #expect(outcome.errors.hasPrefix("iocp: cannot serve metrics on \(address): "), "\(outcome.errors)")
            #expect(try server.end() == 0)
        }

        @Test("Prometheus scrapes it", needsPrometheus)
        func scraped() throws {
            let (server, address) = try Prometheus.measured()
            let load = try stress(port: server.port)
            #expect(load.status == 0)
            let folder = NSTemporaryDirectory() + "iocp-prometheus-\(UUID().uuidString)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(atPath: folder) }
            try """
            scrape_configs:
              - job_name: iocp
                scrape_interval: 200ms
                scrape_timeout: 200ms
                static_configs: [{targets: ["\(address)"]}]
            """.write(toFile: folder + "/prometheus.yml", atomically: true, encoding: .utf8)
            // It tells no port that it chose, so one is asked of the kernel.
            let web = "127.0.0.1:\(try Prometheus.freePort())"
            let prometheus = try ChildProcess(
                "/usr/bin/prometheus",
                [
                    "--config.file=\(folder)/prometheus.yml", "--storage.tsdb.path=\(folder)/data",
                    "--web.listen-address=\(web)", "--log.level=error",
                ])
            /// The value of an expression, once there is one that is right.
            func query(_ expression: String, until isRight: (String) -> Bool) throws -> String {
                let deadline = ContinuousClock.now + .seconds(60)
                var answer = ""
                while ContinuousClock.now < deadline {
                    let child = try ChildProcess(
                        "/usr/bin/curl",
                        [
                            "-sS", "--max-time", "5", "-G", "--data-urlencode", "query=\(expression)",
                            "http://\(web)/api/v1/query",
                        ])
                    _ = try child.end()
                    answer = child.text(of: .output)
                    let object = try? JSONSerialization.jsonObject(with: Data(answer.utf8)) as? [String: Any]
                    let results = (object?["data"] as? [String: Any])?["result"] as? [[String: Any]]
                    if let value = (results?.first?["value"] as? [Any])?.last as? String, isRight(value) {
                        return value
                    }
                }
                Issue.record("\(expression): \(answer) \(prometheus.text(of: .errors))")
                return ""
            }
            #expect(try query("up{job=\"iocp\"}") { $0 == "1" } == "1")
            #expect(try query("iocp_accepted_total{worker=\"0\"}") { $0 == "4" } == "4")
            #expect(try query("sum(iocp_closed_total)") { $0 == "4" } == "4")
            // A server that has ended is down.
            #expect(try server.end() == 0)
            #expect(try query("up{job=\"iocp\"}") { $0 == "0" } == "0")
            prometheus.signal(SIGTERM)
            #expect(try prometheus.end() == 0)
        }

        private static func freePort() throws -> Int {
            let server = try Server()
            defer { _ = try? server.end() }
            return try #require(Int(server.port))
        }
    }
}

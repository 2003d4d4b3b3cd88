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
        private static func traced(_ driver: String, _ calls: String, into path: String) throws -> (
            ChildProcess, Int32, String
        ) {
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
            let counted = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").reduce(0 as UInt64) {
                sum, line in
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

        // MARK: - Times

        /// What the kernel's own trace points saw of the worker of a TimedServer. It begins once the tracer has attached.
        private static let script = """
            tracepoint:syscalls:sys_exit_io_uring_enter, tracepoint:syscalls:sys_exit_epoll_wait,
            tracepoint:syscalls:sys_exit_epoll_pwait2 /pid == cpid && comm == "iocp/0"/ {
                @returned = nsecs;
                if (@woken) { @wake_ns = hist(nsecs - @woken); @woken = 0; }
            }
            tracepoint:syscalls:sys_enter_io_uring_enter, tracepoint:syscalls:sys_enter_epoll_wait,
            tracepoint:syscalls:sys_enter_epoll_pwait2 /pid == cpid && comm == "iocp/0" && @returned/ {
                @turn_ns = hist(nsecs - @returned);
            }
            tracepoint:syscalls:sys_enter_write /pid == cpid && comm != "iocp/0" && args->count == 8/ { @woken = nsecs; }
            tracepoint:syscalls:sys_enter_write /pid == cpid && comm == "iocp/0" && args->fd == 4294967295/ {
                @timer_lateness_ns = hist(nsecs - args->count);
            }
            """

        /// bpftrace where its trace points are to be had; they are looked up in a mount of its own.
        private static func tracer(_ arguments: [String]) throws -> ChildProcess {
            let mounted = "mount -t tracefs none /sys/kernel/tracing 2>/dev/null; exec /usr/bin/bpftrace \"$@\""
            return try ChildProcess("/usr/bin/unshare", ["-m", "/bin/sh", "-c", mounted, "sh"] + arguments)
        }

        private static let tracerRefusal: String? = {
            do {
                let probe = try tracer(["-e", "tracepoint:syscalls:sys_enter_write { } BEGIN { exit(); }"])
                return try probe.end() == 0 ? nil : probe.lines(of: .errors).last ?? "bpftrace fails"
            } catch {
                return "\(error)"
            }
        }()

        /// The bucket of each value, in ascending order: its number of bits.
        private static func buckets(_ counts: [Int]) -> [Int] {
            counts.enumerated().flatMap { bucket, count in [Int](repeating: bucket, count: count) }
        }

        /// A map of the tracer's, as counts of this library's buckets.
        private static func counts(_ map: Any?) throws -> [Int] {
            var counts = [Int](repeating: 0, count: 32)
            for row in try #require(map as? [[String: Any]]) {
                let least = row["min"] as? Int ?? 0
                counts[Int.bitWidth - least.leadingZeroBitCount] += try #require(row["count"] as? Int)
            }
            return counts
        }

        @Test(
            "turns, wake-ups and timers last as long as the kernel's trace points say",
            .enabled(if: tracerRefusal == nil, "\(tracerRefusal ?? "")"), arguments: ["uring", "epoll"])
        func times(driver: String) throws {
            let program = try ChildProcess.buildDirectory() + "/TimedServer"
            let tracer = try Tracers.tracer(["-f", "json", "-c", "\(program) \(driver)", "-e", Tracers.script])
            #expect(try tracer.end(within: .seconds(60)) == 0, "\(tracer.text(of: .errors))")
            var traced: [String: Any] = [:]
            var told: [String: [Int]] = [:]
            for line in tracer.lines(of: .output) {
                if line.hasPrefix("{") {
                    let entry = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
                    traced.merge(entry?["data"] as? [String: Any] ?? [:]) { $1 }
                } else {
                    let words = line.split(separator: " ")
                    told[String(words[0])] = words.dropFirst().compactMap { Int($0) }
                }
            }
            // Of turns, those that the plan made: what is shorter is the library's own time as well, which the tracer cannot tell apart.
            for (name, least, planned) in [("turn_ns", 21, 100), ("wake_ns", 0, 360), ("timer_lateness_ns", 0, 60)] {
                let ours = Tracers.buckets(try #require(told[name])).filter { $0 >= least }
                let theirs = Tracers.buckets(try Tracers.counts(traced["@" + name])).filter { $0 >= least }
                // A turn of neither's plan may be as long where the machine is busy.
                #expect(abs(ours.count - theirs.count) <= planned / 50, "\(name): \(ours.count) and \(theirs.count)")
                #expect(ours.count >= planned * 9 / 10, "\(name): \(ours.count) of \(planned)")
                let apart = zip(ours.reversed(), theirs.reversed()).map { abs($0 - $1) }
                #expect(apart.allSatisfy { $0 <= 1 }, "\(name): \(ours) and \(theirs)")
                // Values at the edge of a bucket may be on either side of it.
                if name == "turn_ns" { #expect(apart.count { $0 == 0 } >= planned * 9 / 10, "\(ours) and \(theirs)") }
            }
        }
    }
}

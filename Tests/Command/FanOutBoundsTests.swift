import ChildProcesses
import Foundation
import Testing

extension Commands {
    @Suite(needsRing) struct FanOutBounds {
        /// The most memory a process ever had, in KiB.
        private static func peakKiB(of child: ChildProcess) throws -> Int {
            let status = try String(contentsOfFile: "/proc/\(child.processID)/status", encoding: .utf8)
            let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
            return try #require(Int(line.split(whereSeparator: { !$0.isNumber })[0]))
        }

        @Test(
            "frames that are never sent to their end hold a bounded part of a worker's memory",
            arguments: ["uring", "epoll"])
        func halfFrames(driver: String) throws {
            let server = try Server(["--driver", driver, "--fan-out", "8388608"])
            let clients = try ChildProcess("FaultyServer", ["part", "8388607", server.port])
            _ = try clients.line(of: .output, beginning: "sent by ", within: .seconds(60))
            // 200 halves of 8 MiB would be 1.6 GiB.
            let peak = try FanOutBounds.peakKiB(of: server.child)
            #expect(peak < 400 << 10, "\(peak) KiB")
            // Whoever sends whole frames goes on.
            let outcome = try stress(
                port: server.port,
                ["--fan-out", "--size", "8388608", "--connections", "2", "--duration", "1", "--json"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            clients.signal(SIGKILL)
            #expect(try server.end() == 0)
            let lines = server.child.lines(of: .errors)
            #expect(lines.count == 2, "\(lines)")
            #expect(
                lines.first?.hasPrefix("iocp: warning: frames that are not sent to their end hold more than 64.0 MiB")
                    == true)
            #expect(
                lines.last?.wholeMatch(of: /iocp: reset 1\d\d connections that did not send a frame to its end/) != nil)
        }

        @Test("small frames in small pieces are put together, whatever their order", arguments: ["uring", "epoll"])
        func pieces(driver: String) throws {
            let server = try Server(["--driver", driver, "--fan-out", "100003", "--workers", "2"])
            let outcome = try stress(
                port: server.port,
                ["--fan-out", "--size", "100003", "--connections", "30", "--depth", "4", "--duration", "1"])
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(try server.end() == 0)
            #expect(server.child.text(of: .errors) == "")
        }
    }
}

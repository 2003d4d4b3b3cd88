import ChildProcesses
import Testing

extension Commands {
    /// Every scenario of `make soak`, for a moment: that it can be played, and holds.
    @Suite(needsRing) struct Soak {
        static let scenarios = [
            ["echo-random", "--mebibytes", "40", "--peers", "8"],
            ["connect-reset", "--cycles", "3000"],
            // A ratio of two short measurements on a busy machine says nothing: memory and service are looked at.
            [
                "stalled-readers", "--live", "50", "--stalled", "300", "--rounds", "1", "--seconds", "0.6",
                "--interval", "5", "--factor", "1000",
            ],
            ["limits", "--clients", "400", "--seconds", "0.2"],
            ["overflow-storm", "--clients", "1500", "--queues", "64"],
            ["slow-close", "--peers", "6", "--mebibytes", "2", "--seconds", "1"],
            ["mass-close", "--closing", "1500", "--rounds", "1", "--most", "10000"],
            ["reconnect-storm", "--returning", "1500", "--seconds", "1", "--rounds", "1", "--factor", "1000"],
        ]

        @Test(arguments: scenarios, ["uring", "epoll"])
        func aMomentOf(scenario: [String], driver: String) throws {
            let child = try ChildProcess("iocp-soak", scenario + ["--driver", driver])
            #expect(try child.end() == 0, "\(child.text(of: .output))\(child.text(of: .errors))")
            let lines = child.lines(of: .output)
            #expect(!lines.isEmpty && lines.allSatisfy { $0.contains(" \(driver): ok: ") })
        }

        @Test func whatDoesNotHoldIsSaidAndFails() throws {
            let child = try ChildProcess(
                "iocp-soak",
                [
                    "stalled-readers", "--live", "50", "--stalled", "9", "--rounds", "1", "--seconds", "0.6",
                    "--interval", "5", "--factor", "0",
                ])
            #expect(try child.end() == 1)
            #expect(child.text(of: .output).contains("FAILED (p99 is more than 0.0 times the baseline)"))
        }
    }
}

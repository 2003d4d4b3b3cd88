import ChildProcesses
import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Handlers that trap or never return, in a process of their own.
    @Suite(.timeLimit(.minutes(1))) struct Trouble {
        @Test(
            "a handler that traps ends the process: every peer sees the end, the port is free", arguments: testedDrivers
        )
        func traps(driver: Driver) async throws {
            let server = try TroubledServer(driver)
            let peers = try (0..<20).map { _ in try Peer.connect(port: server.port) }
            for peer in peers {
                try peer.send("echo".utf8)
                #expect(try peer.receive(4) == Array("echo".utf8))
            }
            try peers[7].send("trap".utf8)
            #expect(try server.process.end() < 0, "by a signal")
            for peer in peers { #expect([.finished, .reset].contains(peer.end())) }
            // Its connections may linger in TIME_WAIT. Its listening sockets go with its rings, which the kernel takes down
            // after the process has ended.
            let next = try CompletionPort()
            try await eventually("the port is free") {
                (try? next.listen(host: "127.0.0.1", port: server.port).address!)?.port == server.port
            }
        }

        @Test(
            "a handler that never returns stalls its worker alone, and the stats page tells", arguments: testedDrivers)
        func neverReturns(driver: Driver) async throws {
            let server = try TroubledServer(driver)
            let pid = server.process.processID
            let stuck = try Peer.connect(port: server.port)
            try stuck.send("stuck".utf8)
            try await eventually("a worker is seen to be busy") {
                busy(pid).filter { $0 > .milliseconds(300) }.count == 1
            }
            let first = busy(pid).max()!
            // The kernel gives each new client to one of the two: those of the other worker are served as ever.
            var served = 0
            var waiting: [Peer] = []
            while served < 5 {
                let peer = try Peer.connect(port: server.port)
                try peer.send("echo".utf8)
                if peer.answers(within: .milliseconds(200)) {
                    #expect(try peer.receive(4) == Array("echo".utf8))
                    served += 1
                }
                waiting.append(peer)
            }
            #expect(busy(pid).max()! > first)
            #expect(busy(pid).min()! < .milliseconds(300))
        }
    }
}

/// How long each worker of a process has been away from its loop.
private func busy(_ pid: Int32) -> [Duration] {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    let now = Duration.seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    guard let stats = try? PortStats(processID: pid) else { return [] }
    return (0..<stats.workerCount).map { stats[$0].busy(at: now) }
}

private struct TroubledServer {
    let process: ChildProcess
    let port: Int

    init(_ driver: Driver) throws {
        // No backtrace of the crash that is asked for: under a sanitizer the one who makes it never ends.
        process = try ChildProcess("TroubledServer", ["\(driver)"], environment: ["SWIFT_BACKTRACE": "enable=no"])
        port = try #require(Int(process.line(of: .output, beginning: "")))
    }
}

import CIOCPInternals
import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Times on real sockets, with a clock that the test moves: however slow the machine is, nothing is over too early.
    @Suite struct PlayedTime {
        @Test("a busy connection is not idle, and a silent one ends by name", arguments: testedDrivers)
        func idle(driver: Driver) throws {
            let worker = try FaultyWorker(driver) { $0.idle_timeout_ns = 60_000_000_000 }
            let (peer, connection) = try worker.open()
            // It is sent nothing: the peer's kernel would acknowledge that in real time, and would be awaited.
            for byte: UInt8 in 1...5 {
                worker.pass(milliseconds: 45_000)
                #expect(worker.closed.isEmpty)
                try peer.send([byte])
                try worker.until("received") { worker.received.last == byte }
            }
            worker.pass(milliseconds: 61_000)
            try worker.expectClosed(connection, IOCP_CLOSE_IDLE_TIMEOUT, nil)
            #expect(peer.end() == .reset)
            #expect(worker.stats.timeouts == 1)
            try worker.expectNothingHeld()
        }

        @Test("a timer of a connection that closed before it was due says so", arguments: testedDrivers)
        func timer(driver: Driver) throws {
            let worker = try FaultyWorker(driver)
            let (peer, connection) = try worker.open()
            #expect(worker.startTimer(after: 60_000, for: connection, key: 1) == 0)
            #expect(worker.startTimer(after: 120_000, for: connection, key: 2) == 0)
            worker.pass(milliseconds: 61_000)
            try worker.until("the first timer") { worker.fired.count == 1 }
            #expect(worker.fired[0].key == 1 && worker.fired[0].result == 0 && worker.fired[0].connection == connection)
            #expect(worker.close(connection) == 0)
            peer.finishSending()
            try worker.expectClosed(connection, IOCP_CLOSE_LOCAL, nil)
            for _ in 0..<20 { worker.turn() }
            #expect(worker.fired.count == 1)
            worker.pass(milliseconds: 60_000)
            try worker.until("the second timer") { worker.fired.count == 2 }
            #expect(worker.fired[1].key == 2 && worker.fired[1].result == -ECANCELED && worker.fired[1].connection == 0)
            try worker.expectNothingHeld()
        }
    }
}

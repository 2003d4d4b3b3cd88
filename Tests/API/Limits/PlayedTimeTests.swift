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

        @Test("a connection's own timeouts take the place of the port's, from now on", arguments: testedDrivers)
        func ownTimeouts(driver: Driver) throws {
            let worker = try FaultyWorker(driver) { $0.idle_timeout_ns = 60_000_000_000 }
            let (peer, connection) = try worker.open()
            let (patientPeer, patient) = try worker.open()
            var own = iocp_timeouts(idle_ns: 0, receive_ns: 20_000_000_000, send_ns: 0, receive_progress_bytes: 1)
            worker.pass(milliseconds: 50_000)
            #expect(worker.setTimeouts(connection, own) == 0)
            own.receive_ns = 0
            #expect(worker.setTimeouts(patient, own) == 0)
            worker.pass(milliseconds: 15_000)
            #expect(worker.closed.isEmpty, "begun anew, and no longer idle")
            try peer.send([1])
            try worker.until("received") { worker.received.last == 1 }
            worker.pass(milliseconds: 15_000)
            #expect(worker.closed.isEmpty, "it made progress in its window")
            worker.pass(milliseconds: 41_000)
            try worker.expectClosed(connection, IOCP_CLOSE_RECEIVE_TIMEOUT, nil)
            #expect(peer.end() == .reset)
            worker.pass(milliseconds: 600_000)
            try patientPeer.send([2])
            try worker.until("received") { worker.received.last == 2 }
            // And one of a connection that had none.
            own.idle_ns = 5_000_000_000
            #expect(worker.setTimeouts(patient, own) == 0)
            worker.pass(milliseconds: 5_100)
            try worker.until("closed") { worker.closed.count == 2 }
            #expect(worker.closed[1].connection == patient && worker.closed[1].detail == IOCP_CLOSE_IDLE_TIMEOUT.rawValue)
            try worker.expectNothingHeld()
        }

        @Test("timeouts out of bounds are refused", arguments: testedDrivers)
        func refusedTimeouts(driver: Driver) throws {
            let worker = try FaultyWorker(driver)
            let (_, connection) = try worker.open()
            let day: UInt64 = 86_400_000_000_000
            for (idle, receive, send, progress): (UInt64, UInt64, UInt64, UInt32) in [
                (day + 1, 0, 0, 1), (0, day + 1, 0, 1), (0, 0, day + 1, 1), (0, 0, 0, 0),
            ] {
                let own = iocp_timeouts(
                    idle_ns: idle, receive_ns: receive, send_ns: send, receive_progress_bytes: progress)
                #expect(worker.setTimeouts(connection, own) == -EINVAL)
            }
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

import CIOCPInternals
import IOCP
import Testing

extension RealSockets {
    /// A reply whose end nobody waits for costs no entry into the kernel beyond the sleep that follows it.
    @Suite struct SilentSends {
        @Test("a reply leaves with the entry that sleeps", arguments: testedDrivers)
        func oneEntry(driver: Driver) throws {
            let worker = try FaultyWorker(driver)
            let (peer, connection) = try worker.open()
            let entersBefore = worker.stats.enters
            let sentBefore = worker.stats.sent_operations
            for _ in 0..<20 {
                #expect(worker.send(connection, [7]) == 0)
                worker.turn()
                #expect(worker.unsent(connection) == 0, "its end came with the end of the sleep")
                #expect(try peer.receive(1) == [7])
            }
            // A few more, as an edge of epoll's may end a wait for nothing.
            #expect(worker.stats.enters < entersBefore + 25)
            #expect(worker.stats.sent_operations == sentBefore + 20)
            try worker.expectNothingHeld()
        }

        @Test("one with a notification ends the sleep", arguments: testedDrivers)
        func notified(driver: Driver) throws {
            let worker = try FaultyWorker(driver)
            let (peer, connection) = try worker.open()
            #expect(worker.send(connection, [7]) == 0 && worker.notify(connection, key: 9) == 0)
            #expect(worker.turn(timeoutNs: 10_000_000_000) == 1)
            #expect(worker.sent.map(\.key) == [9])
            #expect(try peer.receive(1) == [7])
            try worker.expectNothingHeld()
        }

        @Test("one that is cut short goes on once there is room", arguments: testedDrivers)
        func short(driver: Driver) throws {
            let worker = try FaultyWorker(driver)
            let (peer, connection) = try worker.open(receiveBufferBytes: 4096)
            let message = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) } // below the high mark, in one send
            var bytes: [UInt8] = []
            try worker.until("a short send") {
                #expect(worker.send(connection, message) == 0)
                worker.turn()
                bytes += message
                return worker.stats.short_sends > 0
            }
            var counters = iocp_connection_counters()
            #expect(worker.counters(connection, &counters) == 0)
            #expect(counters.sent_bytes + worker.unsent(connection) == UInt64(bytes.count))
            #expect(worker.unsent(connection) > 0)
            var received: [UInt8] = []
            while received.count < bytes.count {
                worker.turn()
                received += try peer.receive(min(32768, bytes.count - received.count))
            }
            #expect(received == bytes)
            try worker.until("sent") { worker.unsent(connection) == 0 }
            #expect(worker.stats.sent_bytes == UInt64(bytes.count))
            try worker.expectNothingHeld()
        }
    }
}

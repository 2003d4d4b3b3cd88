import CIOCPInternals
import Glibc
import IOCP
import Testing

extension RealSockets {
    /// A connection whose receive is paused hears of its peer's reset.
    @Suite struct Paused {
        /// A paused connection and its peer.
        private func paused(_ driver: Driver) throws -> (FaultyWorker, Peer, iocp_token) {
            let worker = try FaultyWorker(driver)
            let (peer, connection) = try worker.open()
            #expect(worker.pause(connection) == 0)
            for _ in 0..<5 { worker.turn() }
            return (worker, peer, connection)
        }

        @Test("a reset ends it at once", arguments: testedDrivers, [false, true])
        func reset(driver: Driver, unread: Bool) throws {
            let worker = try FaultyWorker(driver)
            let connection: iocp_token
            do {
                let (peer, opened) = try worker.open()
                connection = opened
                #expect(worker.pause(connection) == 0)
                for _ in 0..<5 { worker.turn() }
                if unread { try peer.send([1, 2, 3]) }
                for _ in 0..<5 { worker.turn() }
                peer.resetOnClose()
            }
            try worker.expectClosed(connection, IOCP_CLOSE_RESET, Errno(ECONNRESET))
            #expect(worker.received.isEmpty)
            try worker.expectNothingHeld()
        }

        @Test("it loses nothing when it goes on, however often", arguments: testedDrivers)
        func resumed(driver: Driver) throws {
            let (worker, peer, connection) = try paused(driver)
            for round: UInt8 in 0..<50 {
                try peer.send([round])
                for _ in 0..<Int(round % 3) { worker.turn(timeoutNs: 0) }
                #expect(worker.resume(connection) == 0)
                if round % 2 == 0 { worker.turn(timeoutNs: 0) }
                #expect(worker.pause(connection) == 0)
                for _ in 0..<Int(round % 4) { worker.turn(timeoutNs: 0) }
            }
            #expect(worker.resume(connection) == 0)
            try worker.until("everything") { worker.received.count == 50 }
            #expect(worker.received == Array(0..<50))
            try worker.expectAlive(connection, peer)
            try worker.expectNothingHeld()
        }

        @Test("a FIN waits behind what is unread", arguments: testedDrivers)
        func finish(driver: Driver) throws {
            let (worker, peer, connection) = try paused(driver)
            try peer.send([1, 2, 3])
            peer.finishSending()
            for _ in 0..<20 { worker.turn() }
            #expect(worker.closed.isEmpty && worker.received.isEmpty)
            #expect(worker.resume(connection) == 0)
            try worker.expectClosed(connection, IOCP_CLOSE_PEER, nil)
            #expect(worker.received == [1, 2, 3])
            try worker.expectNothingHeld()
        }

        @Test("it closes and aborts as others do", arguments: testedDrivers, [false, true])
        func ends(driver: Driver, aborts: Bool) throws {
            let (worker, peer, connection) = try paused(driver)
            #expect((aborts ? worker.abort(connection) : worker.close(connection)) == 0)
            try worker.until("the end") {
                aborts ? peer.answers(within: .zero) && peer.end() == .reset : peer.sawFinish()
            }
            if !aborts { peer.finishSending() }
            try worker.expectClosed(connection, aborts ? IOCP_CLOSE_ABORTED : IOCP_CLOSE_LOCAL, nil)
            try worker.expectNothingHeld()
        }
    }
}

import CIOCPInternals
import Glibc
import IOCP
import Testing

extension RealSockets.Faults {
    /// A ring that takes no submissions for a while, as when the kernel has no memory for requests (EAGAIN): what was
    /// asked stays asked, and what needs an answer at once is refused.
    @Suite struct Submission {
        static let refused = Errno(EAGAIN)

        @Test(
            "a question that the ring does not take is refused, and harms nothing",
            .enabled(if: hasDirectDescriptors, needsDirectDescriptors))
        func questionRefused() throws {
            let worker = try FaultyWorker(.uring)
            let (peer, connection) = try worker.open()
            worker.fail(INTERNALS_FAULT_WAIT, with: Self.refused)
            #expect(worker.peer(connection) == -EAGAIN)
            #expect(worker.peer(connection) == 0, "asked again")
            try worker.expectAlive(connection, peer)
            try worker.expectNothingHeld()
        }

        @Test(
            "a question is refused while the completion queue may be too full for its answer",
            .enabled(if: hasDirectDescriptors, needsDirectDescriptors))
        func questionToAFullRing() throws {
            let worker = try FaultyWorker(.uring) {
                $0.connections_per_worker = 128
                $0.completion_queue_entries = 64
            }
            let open = try (0..<63).map { _ in try worker.open() }
            for _ in 0..<3 { worker.turn() }
            for (_, connection) in open { #expect(worker.send(connection, [7]) == 0) }
            worker.fail(INTERNALS_FAULT_WAIT, with: Self.refused, times: .max)
            worker.turn(timeoutNs: 0)
            #expect(worker.peer(open[0].connection) == -EBUSY)
            internals_faults_end()
            for (peer, connection) in open {
                try worker.until("sent") { worker.unsent(connection) == 0 }
                #expect(try peer.receive(1) == [7])
            }
            #expect(worker.peer(open[0].connection) == 0)
            try worker.expectNothingHeld()
        }

        @Test(
            "a connect whose socket the ring does not take is refused at the call",
            .enabled(if: hasDirectDescriptors, needsDirectDescriptors))
        func connectRefused() throws {
            let worker = try FaultyWorker(.uring)
            worker.turn()
            worker.fail(INTERNALS_FAULT_WAIT, with: Self.refused)
            #expect(worker.connect() == -EAGAIN)
            try worker.expectNothingHeld()
            #expect(worker.opened.isEmpty && worker.failed.isEmpty)
        }

        @Test(
            "a connect that the ring takes later goes to its address",
            .enabled(if: hasDirectDescriptors, needsDirectDescriptors),
            arguments: 1...3)
        func connectLater(refusals: Int) throws {
            let worker = try FaultyWorker(.uring)
            worker.turn()
            worker.fail(INTERNALS_FAULT_WAIT, with: Self.refused, passing: 1, times: UInt32(refusals))
            #expect(worker.connect() == 0)
            try worker.until("connected") { worker.stats.connected == 1 || !worker.failed.isEmpty }
            #expect(worker.struck(INTERNALS_FAULT_WAIT) == refusals && worker.failed.isEmpty)
            try worker.until("both ends open") { worker.opened.count == 2 }
            try worker.expectNothingHeld()
        }

        /// The submission queue has as many entries as the completion queue, so it is full in the midst of a gathered send.

        @Test("gathered sends behind others leave with their own bytes in a queue that is full", arguments: [0, 1, 5])
        func gatheredSendsInAFullQueue(refusals: Int) throws {
            let worker = try FaultyWorker(.uring) {
                $0.connections_per_worker = 512
                $0.completion_queue_entries = 64
            }
            let open = try (0..<150).map { _ in try worker.open() }
            for _ in 0..<3 { worker.turn() }
            for piece: UInt8 in 0..<3 {
                // The first forty have one piece each; later ones have three.
                for (index, end) in open.enumerated() where index >= 40 || piece == 0 {
                    #expect(worker.send(end.connection, [piece, UInt8(index)]) == 0)
                }
            }
            worker.fail(INTERNALS_FAULT_WAIT, with: Self.refused, times: UInt32(refusals))
            for (index, end) in open.enumerated() {
                try worker.until("sent") { worker.unsent(end.connection) == 0 }
                let expected = (index >= 40 ? [0, 1, 2] : [0]).flatMap { [UInt8($0), UInt8(index)] }
                #expect(try end.peer.receive(expected.count) == expected)
            }
            try worker.expectNothingHeld()
        }

        @Test("more gathered sends than the driver keeps leave whole and in order", arguments: [0, 1, 2])
        func gatheredSends(refusals: Int) throws {
            let worker = try FaultyWorker(.uring) { $0.connections_per_worker = 512 }
            let open = try (0..<300).map { _ in try worker.open() }
            for _ in 0..<3 { worker.turn() }
            // By turns, so that the pieces of one connection are no neighbours in memory.
            for piece: UInt8 in 0..<3 {
                for (index, end) in open.enumerated() {
                    #expect(worker.send(end.connection, [piece, UInt8(truncatingIfNeeded: index)]) == 0)
                }
            }
            worker.fail(INTERNALS_FAULT_WAIT, with: Self.refused, times: UInt32(refusals))
            for (index, end) in open.enumerated() {
                try worker.until("sent") { worker.unsent(end.connection) == 0 }
                let mark = UInt8(truncatingIfNeeded: index)
                #expect(try end.peer.receive(6) == [0, mark, 1, mark, 2, mark])
            }
            #expect(worker.struck(INTERNALS_FAULT_WAIT) == refusals)
            try worker.expectNothingHeld()
        }
    }
}

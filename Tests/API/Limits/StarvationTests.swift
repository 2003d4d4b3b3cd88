import CIOCPInternals
import IOCP
import Testing

extension RealSockets {
    /// Peers that send more than there are receive buffers for.
    @Suite struct Starvation {
        @Test("each of those that send in bulk has its turn at the buffers", arguments: testedDrivers)
        func turns(driver: Driver) throws {
            let worker = try FaultyWorker(driver) {
                $0.receive_buffers_per_worker = 4
                $0.receive_buffer_bytes = 4096
            }
            let open = try (0..<10).map { _ in try worker.open() }
            for (peer, _) in open { try peer.send([UInt8](repeating: 7, count: 65_536)) }
            func received() -> [UInt64] {
                open.map {
                    var counters = iocp_connection_counters()
                    #expect(worker.counters($0.connection, &counters) == 0)
                    return counters.received_bytes
                }
            }
            try worker.until("half of everything") { received().reduce(0, +) >= 327_680 }
            // Where buffers are spent whole there are 64 small ones beside, of which one connection takes 16 in a turn.
            let areWhole = driver == .uring && !iocp_capabilities_get().pointee.incremental_buffers
            #expect(areWhole || received().min()! >= 8192, "\(received())")
            try worker.until("everything") { received() == [UInt64](repeating: 65_536, count: 10) }
            #expect(worker.stats.starved_receives > 0)
            try worker.expectNothingHeld()
        }
    }
}

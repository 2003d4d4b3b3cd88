import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Urgent bytes are no part of the stream (SO_OOBINLINE is off), and hold up nothing that is.
    @Suite struct Urgent {
        /// Bytes before and after an urgent one.
        static let cases: [(Int, Int)] = [(600, 600), (0, 600), (600, 0), (100_000, 100_000), (1, 1)]

        @Test("what follows an urgent byte arrives, and the byte does not", arguments: testedDrivers, cases)
        func streamGoesOn(driver: Driver, counts: (Int, Int)) async throws {
            try await withServer(driver, { $0.workers = 1 }) { _, port, _ in
                for round in 0..<40 {
                    let peer = try Peer.connect(port: port)
                    var one: Int32 = 1
                    setsockopt(peer.fd, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
                    let (before, after) = (pattern(counts.0, seed: UInt64(round)), pattern(counts.1, seed: 99))
                    try peer.send(before)
                    #expect(Glibc.send(peer.fd, "X", 1, Int32(MSG_OOB)) == 1)
                    try peer.send(after)
                    #expect(try peer.receive(counts.0 + counts.1) == before + after)
                    try peer.send([7]) // and the mark is forgotten
                    #expect(try peer.receive(1) == [7])
                }
            }
        }
    }
}

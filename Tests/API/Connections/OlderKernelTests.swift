import CIOCPInternals
import Glibc
import IOCP
import Testing

/// Whether a ring has connections in its own table, without descriptors: since Linux 6.13.
let hasDirectDescriptors = iocp_capabilities_get().pointee.prompt_close

/// Why a test of direct descriptors is skipped.
let needsDirectDescriptors: Comment = "a ring has direct descriptors from Linux 6.13 on"

/// Asks each connection what it can be asked, echoes, and aborts one that sent three bytes.
private var asking: Behaviour {
    var behaviour = Behaviour()
    behaviour.opened = { connection throws(IOCPError) in
        #expect(try connection.peerAddress().description.hasPrefix("127.0.0.1:"))
        #expect(try connection.localAddress().description.hasPrefix("127.0.0.1:"))
        try connection.setOption(.keepAlive, to: true)
        #expect(try connection.option(.keepAlive))
        #expect(try connection.info().segmentBytes > 500)
    }
    behaviour.received = { (bytes: consuming ReceivedBytes, connection: Behaviour.Context) throws(IOCPError) in
        if bytes.bytes.byteCount == 3 {
            connection.abort()
        } else {
            try connection.send(bytes)
        }
    }
    return behaviour
}

/// Descriptors of this process that an accepted connection takes.
func descriptorsOfConnection(on driver: Driver) -> Int { driver == .uring && hasDirectDescriptors ? 0 : 1 }

extension RealSockets {
    /// Closes beside connections that stay, where kernels before 6.13 kept what was closed; and all that a ring does there.
    @Suite struct OlderKernels {
        @Test("a close reaches its peer while older connections are idle", arguments: testedDrivers)
        func closes(driver: Driver) async throws {
            try await withServer(driver) { _, port, ledger in
                let idle = try (0..<4).map { _ in try Peer.connect(port: port) }
                for peer in idle {
                    try peer.send([1])
                    #expect(try peer.receive(1) == [1])
                }
                for byte in UInt8(0)..<20 {
                    let peer = try Peer.connect(port: port)
                    try peer.send([byte])
                    #expect(try peer.receive(1) == [byte])
                    peer.finishSending()
                    #expect(peer.end() == .finished)
                }
                try await eventually("closed") { ledger.snapshot.closed.count == 20 }
                withExtendedLifetime(idle) {}
            }
        }

        @Test("as on Linux 6.1: bytes, addresses, options, connects, adopted sockets, FIN and RST")
        func olderKernel() async {
            await #expect(processExitsWith: .success) {
                internals_pretend_older_kernel()
                try await withServer(
                    .uring,
                    {
                        $0.connectionsPerWorker = 64
                        $0.connectionsPerAddress = 100
                        $0.lockdown = true
                        $0.idleTimeout = .seconds(60)
                    }, asking
                ) { server, port, ledger in
                    #expect(
                        server.port.stats(ofWorker: 0).driverFeatures.allSatisfy { $0.name != "direct_descriptors" })
                    let idle = try Peer.connect(port: port)
                    for round in 0..<100 {  // more than there are places
                        let peer = try Peer.connect(port: port)
                        try peer.send([1, 2, 3, 4])
                        #expect(try peer.receive(4) == [1, 2, 3, 4])
                        peer.finishSending()
                        #expect(peer.end() == .finished)
                        try await eventually("closed") { ledger.snapshot.closed.count == round + 1 }
                    }
                    let aborted = try Peer.connect(port: port)
                    try aborted.send([1, 2, 3])
                    #expect(aborted.end() == .reset)
                    let bytes = pattern(1 << 20)
                    try await onThreads(1) { _ in try idle.send(bytes) }
                    #expect(try idle.receive(bytes.count) == bytes)
                }
            }
        }

        @Test("as on Linux 6.1: connects of one turn go to their own addresses, and one that finds no room is refused")
        func connects() async {
            await #expect(processExitsWith: .success) {
                internals_pretend_older_kernel()
                let worker = try FaultyWorker(.uring)
                worker.turn()
                #expect(worker.connect(port: 1, key: 1) == 0)
                worker.fail(INTERNALS_FAULT_WAIT, with: Errno(EAGAIN))
                #expect(worker.connect(key: 2) == -EAGAIN)
                #expect(worker.connect(key: 3) == 0)
                try worker.until("one is refused, one opens") { worker.failed.count == 1 && worker.opened.count == 2 }
                #expect(worker.failed[0].key == 1 && worker.failed[0].result == -ECONNREFUSED)
            }
        }

        @Test("as on Linux 6.1: a worker that ends closes what it has")
        func ends() async {
            await #expect(processExitsWith: .success) {
                internals_pretend_older_kernel()
                let before = openDescriptors()
                var worker: FaultyWorker? = try FaultyWorker(.uring)
                let (peer, _) = try #require(try worker?.open())
                worker = nil
                #expect(peer.end() != .timeout)
                #expect(openDescriptors() <= before + 1, "the peer's")
            }
        }

        @Test("as on Linux 6.1: a table that is full lets clients wait")
        func fullTable() async {
            await #expect(processExitsWith: .success) {
                internals_pretend_older_kernel()
                let before = openDescriptors()
                try await withServer(
                    .uring,
                    {
                        $0.workers = 1
                        $0.connectionsPerWorker = 4
                    }
                ) { server, port, ledger in
                    let peers = try (0..<6).map { _ in try Peer.connect(port: port) }
                    for peer in peers { try peer.send([1]) }
                    for peer in peers[..<4] { #expect(try peer.receive(1) == [1]) }
                    #expect(ledger.snapshot.opened == 4)
                    for peer in peers[..<2] {
                        peer.finishSending()
                        #expect(peer.end() == .finished)
                    }
                    for peer in peers[4...] { #expect(try peer.receive(1) == [1]) }
                    withExtendedLifetime(peers) {}
                }
                #expect(openDescriptors() <= before)
            }
        }
    }
}

import Foundation
import Glibc
import IOCP
import Testing

extension RealSockets.Async {
    /// What Swift 5 lets a body do without a word, and Swift 6 with `nonisolated(unsafe)`: to carry its connection to another
    /// thread. Each await is refused there, and the connection goes on.
    @Suite struct Threads {
        @Test("an await on another thread is refused", arguments: testedDrivers)
        func awaitsElsewhere(driver: Driver) async throws {
            let failures = BodyNotes<[IOCPError?]>()
            try await withBodies(driver) { _, connection in
                nonisolated(unsafe) let carried = connection
                let elsewhere = Task.detached { () -> [IOCPError?] in
                    [
                        await failure { _ = try await carried.next() },
                        await failure { _ = try await carried.next(within: .seconds(1)) },
                        await failure { _ = try await carried.line() },
                        await failure { _ = try await carried.withFrame(FixedSize(1)) { _ in } },
                        await failure { _ = try await carried.skip(1) },
                        await failure { try await carried.send("a") },
                        await failure { try await carried.send([1]) },
                        await failure { try await carried.send(capacity: 1) { $0.append(1 as UInt8) } },
                        await failure { try await carried.flush() },
                    ]
                }
                failures.add(await elsewhere.value)
                while let bytes = try await connection.next() { try await connection.send(bytes) }
            } use: { _, port, _ in
                // The pool's threads are few, and the body waits for one.
                try await onThreads(1) { _ in
                    let peer = try Peer.connect(port: port)
                    try peer.send([1, 2, 3])
                    #expect(try peer.receive(3) == [1, 2, 3])
                }
                let all = try #require(failures.all.first)
                #expect(all.count == 9 && all.allSatisfy { $0?.code == EPERM }, "\(all)")
            }
        }

        @Test("the last reference may go on another thread, with bytes that nobody read", arguments: testedDrivers)
        func goesElsewhere(driver: Driver) async throws {
            let (isClosed, isDropped) = (Locked(false), Locked(0))
            try await withBodies(driver) { _, connection in
                _ = try await connection.next()
                nonisolated(unsafe) let carried = connection
                Thread.detachNewThread {
                    while !isClosed.withLock({ $0 }) { usleep(1_000) }
                    withExtendedLifetime(carried) {}
                    isDropped.withLock { $0 += 1 }
                }
            } use: { _, port, ledger in
                for _ in 0..<8 {
                    let peer = try Peer.connect(port: port)
                    for piece in 0..<4 {
                        try peer.send([UInt8](repeating: UInt8(piece), count: 100))
                        usleep(1_000)
                    }
                    peer.finishSending()
                    _ = peer.end()
                }
                try await eventually("closed") { ledger.snapshot.closed.count == 8 }
                isClosed.withLock { $0 = true }
                try await eventually("dropped") { isDropped.withLock { $0 } == 8 }
            }
        }
    }
}

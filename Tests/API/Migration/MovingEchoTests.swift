import Glibc
import IOCP
import Testing

/// How many moves the tests of load make. The soak scenario `migrations` makes 100,000 and more.
private let movesDue = 3_000

extension RealSockets {
    @Suite(.timeLimit(.minutes(2))) struct MovingEchoes {
        /// Echoes, and moves on after every third message.
        private static let wanders = MovingBehaviour(received: {
            (bytes: consuming ReceivedBytes, connection: IocpContext<Trip>) throws(IOCPError) in
            try connection.send(bytes)
            if connection.state.record.messages % 3 == 0 { connection.moveSomewhere() }
        })

        @Test(
            "every byte comes back while connections move, and each remembers what it received",
            arguments: testedDrivers)
        func echo(driver: Driver) async throws {
            let sent = Locked(0)
            try await withMovingServer(driver, workers: 4, Self.wanders) { _, port, journal in
                try await onThreads(12) { thread in
                    let peer = try Peer.connect(port: port)
                    var dice = Dice(UInt64(thread))
                    let all = pattern(1 << 20, seed: UInt64(thread))
                    var position = 0
                    while journal.snapshot.came < movesDue {
                        // Several messages at a time, so that some are on their way in both directions as it moves.
                        let count = 1 + dice.roll(dice.roll(4) == 0 ? 60_000 : 200)
                        if position + count > all.count { position = 0 }
                        let message = all[position..<position + count]
                        try peer.send(message)
                        #expect(try peer.receive(count)[...] == message)
                        position += count
                        sent.withLock { $0 += count }
                    }
                    peer.finishSending()
                    #expect(peer.end() == .finished)
                }
                try await eventually("all have closed") { journal.snapshot.open.isEmpty }
                let end = journal.snapshot
                #expect(end.came >= movesDue)
                #expect(end.closed.values.allSatisfy { $0.reason == .peer })
                #expect(end.closed.values.reduce(0) { $0 + $1.trip.bytes } == sent.withLock { $0 })
                #expect(end.closed.values.reduce(0) { $0 + $1.trip.moves } == end.came)
            }
        }

        @Test("streams that slow readers hold up are whole in both directions", arguments: testedDrivers)
        func streams(driver: Driver) async throws {
            let moves = MovingBehaviour(posted: { (_: UInt64, connection: IocpContext<Trip>) throws(IOCPError) in
                connection.moveSomewhere()
            })
            try await withMovingServer(driver, workers: 4, moves) { server, port, journal in
                let isOver = Locked(false)
                let kept = server.port
                async let movers: Void = onThreads(1) { _ in
                    while !isOver.withLock({ $0 }) {
                        for connection in journal.snapshot.open { try? kept.post(0, to: connection) }
                        usleep(500)
                    }
                }
                let streams = Locked(0)
                try await onThreads(6) { thread in
                    let peer = try Peer.connect(port: port, receiveBufferBytes: thread % 2 == 0 ? 4096 : nil)
                    repeat {
                        try stream(pattern(4 << 20, seed: UInt64(thread + 100)), through: peer, pauses: thread % 2 == 0)
                        streams.withLock { $0 += 1 }
                    } while journal.snapshot.came <= 50  // few moves a second where workers seldom get a CPU
                }
                isOver.withLock { $0 = true }
                try await movers
                try await eventually("all have closed") { journal.snapshot.open.isEmpty }
                let end = journal.snapshot
                #expect(end.came > 50 && end.closed.values.allSatisfy { $0.trip.bytes > 0 && $0.trip.bytes % (4 << 20) == 0 })
                #expect(end.closed.values.reduce(0) { $0 + $1.trip.bytes } == streams.withLock { $0 } * 4 << 20)
            }
        }

        /// Sends as much as the socket takes, and reads the echo meanwhile.
        private func stream(_ all: [UInt8], through peer: Peer, pauses: Bool) throws {
            var (sent, received) = (0, 0)
            var dice = Dice(UInt64(all[0]))
            while received < all.count {
                if sent < all.count {
                    let count = min(all.count - sent, 1 + dice.roll(200_000))
                    let taken = all.withUnsafeBytes {
                        Glibc.send(peer.fd, $0.baseAddress! + sent, count, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
                    }
                    if taken > 0 { sent += taken }
                    if pauses { usleep(UInt32(dice.roll(300))) }
                } else {
                    _ = peer.answers(within: .seconds(10))
                }
                let came = try peer.receiveWhatCame()
                #expect(came[...] == all[received..<received + came.count])
                received += came.count
            }
        }

        @Test("what another thread posts and sends arrives in order and once", arguments: testedDrivers)
        func letters(driver: Driver) async throws {
            let count = 20_000
            let answers = MovingBehaviour(
                received: { (_: consuming ReceivedBytes, _: IocpContext<Trip>) throws(IOCPError) in },
                posted: { (value: UInt64, connection: IocpContext<Trip>) throws(IOCPError) in
                    try connection.send(withUnsafeBytes(of: value) { Array($0) })
                    connection.state.record.bytes += 1
                    if value % 16 == 0 { connection.moveSomewhere() }
                })
            try await withMovingServer(driver, workers: 4, answers) { server, port, journal in
                let peers = try (0..<4).map { _ in try Peer.connect(port: port) }
                try await eventually("all are open") { journal.snapshot.open.count == 4 }
                // Which peer is which does not matter: each gets every number.
                let names = Array(journal.snapshot.open)
                let kept = server.port
                let read = (0..<4).map { _ in Locked(UInt64(0)) }
                async let posts: Void = onThreads(4) { thread in
                    for value in 0..<UInt64(count) {
                        // No more are on their way than the worker that they come to has memory for.
                        let isRead = { value < read.reduce(UInt64.max) { min($0, $1.withLock { $0 }) } + 300 }
                        while !isRead() { usleep(50) }
                        while true {
                            do throws(IOCPError) {
                                if value % 2 == 0 {
                                    try kept.post(value, to: names[thread])
                                } else {
                                    let bytes = try SharedBytes(withUnsafeBytes(of: value) { Array($0) })
                                    try kept.send(bytes, to: names[thread])
                                }
                                break
                            } catch {
                                try #require(error.name == "EAGAIN", "\(error)")
                                sched_yield()
                            }
                        }
                    }
                }
                try await onThreads(4) { thread in
                    for value in 0..<UInt64(count) {
                        let bytes = try peers[thread].receive(8)
                        let came = bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt64.self) }
                        try #require(came == value)
                        read[thread].withLock { $0 = value }
                    }
                }
                try await posts
                let end = journal.snapshot
                #expect(end.came > 100, "hardly any moved: \(end.came)")
            }
        }
    }
}

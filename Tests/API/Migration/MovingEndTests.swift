import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Ends of connections and workers while connections move.
    @Suite(.timeLimit(.minutes(2))) struct MovingEnds {
        private static let wanders = MovingBehaviour(received: {
            (bytes: consuming ReceivedBytes, connection: IocpContext<Trip>) throws(IOCPError) in
            try connection.send(bytes)
            connection.moveSomewhere()
        })

        /// Clients that ask until they have had enough or their connection ends, and come again, until none is let in.
        private func crowd(_ port: Int, _ count: Int, _ journal: Journal, until isOver: @escaping @Sendable () -> Bool)
            async throws
        {
            try await onThreads(count) { thread in
                var dice = Dice(UInt64(thread + 1))
                while !isOver(), !Peer.isRefused(by: port) {
                    guard let peer = Peer.connectUnlessRefused(port: port) else { continue }
                    var answered = true
                    for _ in 0..<dice.roll(60) where answered && !isOver() {
                        answered = Self.ask(peer, pattern(1 + dice.roll(3_000), seed: UInt64(thread)), journal)
                    }
                    if dice.roll(2) == 0 { peer.resetOnClose() }
                }
            }
        }

        /// Returns whether everything came back; what does is what was sent.
        private static func ask(_ peer: Peer, _ message: [UInt8], _ journal: Journal) -> Bool {
            guard Glibc.send(peer.fd, message, message.count, Int32(MSG_NOSIGNAL)) == message.count else {
                return false
            }
            var back = [UInt8](repeating: 0, count: message.count)
            var count = 0
            while count < message.count {
                let step = back.withUnsafeMutableBytes {
                    recv(peer.fd, $0.baseAddress! + count, message.count - count, 0)
                }
                if step < 0 && errno == EAGAIN { journal.violated("no answer in 10 s") }
                if step <= 0 { break }
                count += step
            }
            if back[..<count] != message[..<count] { journal.violated("other bytes came back") }
            return count == message.count
        }

        @Test("peers that come, reset and go find each connection closed once", arguments: testedDrivers)
        func resets(driver: Driver) async throws {
            try await withMovingServer(driver, workers: 4, Self.wanders) { _, port, journal in
                try await crowd(port, 12, journal) { journal.snapshot.closed.count >= 400 }
                try await eventually("all have closed") { journal.snapshot.open.isEmpty }
            }
        }

        @Test(
            "a stop finds every connection wherever it is", arguments: testedDrivers,
            [Duration.zero, .milliseconds(200)])
        func stops(driver: Driver, drain: Duration) async throws {
            for _ in 0..<5 {
                try await withMovingServer(driver, workers: 4, Self.wanders, drainingFor: drain) {
                    server, port, journal in
                    async let clients: Void = crowd(port, 12, journal) { false }
                    try await eventually("many move") { journal.snapshot.came > 200 }
                    server.stop(drainingFor: drain)
                    try await clients
                }
            }
        }

        @Test(
            "a worker that leaves takes leave of its guests; others go on with those that were its",
            arguments: testedDrivers)
        func leaves(driver: Driver) async throws {
            let behaviour = MovingBehaviour(
                received: Self.wanders.received,
                postedNobody: { _, worker in worker.leave(drainingFor: .milliseconds(100)) })
            try await withMovingServer(driver, workers: 4, behaviour) { server, port, journal in
                let isOver = Locked(false)
                async let clients: Void = crowd(port, 8, journal) { isOver.withLock { $0 } }
                for worker in [2, 0] {
                    let before = journal.snapshot.came
                    try await eventually("many move") { journal.snapshot.came > before + 300 }
                    try server.port.post(0, toWorker: worker)
                }
                let before = journal.snapshot.came
                try await eventually("the others go on") { journal.snapshot.came > before + 300 }
                isOver.withLock { $0 = true }
                try await clients
            }
        }

        @Test("a connection that is closed as it leaves closes", arguments: testedDrivers)
        func closesWhileLeaving(driver: Driver) async throws {
            let behaviour = MovingBehaviour(
                received: { (bytes: consuming ReceivedBytes, connection: IocpContext<Trip>) throws(IOCPError) in
                    connection.state.record.moves = Int(bytes.bytes.unsafeLoad(as: UInt8.self))
                    if connection.state.record.moves == 1 { try connection.send(bytes) }
                    try connection.move(to: (connection.worker.index + 1) % 3)
                },
                migrating: { connection, _ in
                    if connection.state.record.moves == 1 { connection.close() } else { connection.abort() }
                })
            try await withMovingServer(driver, behaviour) { _, port, journal in
                for way in [UInt8(1), 2] {
                    let peer = try Peer.connect(port: port)
                    try peer.send([way])
                    if way == 1 { #expect(try peer.receive(1) == [way]) }
                    #expect(peer.end() == (way == 1 ? .finished : .reset))
                }
                try await eventually("both have closed") { journal.snapshot.closed.count == 2 }
                #expect(
                    Set(journal.snapshot.closed.values.map { "\($0.reason)" }) == [
                        "\(CloseReason.local)", "\(CloseReason.aborted)",
                    ])
            }
        }

        @Test("what migrated throws ends the connection", arguments: testedDrivers)
        func throwing(driver: Driver) async throws {
            let behaviour = MovingBehaviour(
                opened: { (connection: IocpContext<Trip>) throws(IOCPError) in
                    try connection.move(to: (connection.worker.index + 1) % 3)
                },
                migrated: { (_: IocpContext<Trip>, _: Int) throws(IOCPError) in
                    throw IOCPError(code: EILSEQ, detail: "no")
                })
            try await withMovingServer(driver, behaviour) { _, port, journal in
                let peer = try Peer.connect(port: port)
                #expect(peer.end() == .reset)
                try await eventually("it has closed") { journal.snapshot.closed.count == 1 }
                guard case .handlerThrew(let error) = journal.snapshot.closed.values.first?.reason else {
                    throw CancellationError()
                }
                #expect(error.name == "EILSEQ")
            }
        }

        @Test("a kept context is nobody's once its connection has moved", arguments: testedDrivers)
        func kept(driver: Driver) async throws {
            final class Kept: @unchecked Sendable { var contexts: [IocpContext<Trip>] = [] }
            let kept = Locked<[Int: Kept]>([:])
            let behaviour = MovingBehaviour(
                opened: { (connection: IocpContext<Trip>) throws(IOCPError) in
                    let index = connection.worker.index
                    let list = kept.withLock { $0[index] ?? Kept() }
                    list.contexts.append(connection)
                    kept.withLock { $0[index] = list }
                    try connection.move(to: (index + 1) % 3)
                },
                posted: { (_: UInt64, connection: IocpContext<Trip>) throws(IOCPError) in try connection.send("by name")
                },
                postedNobody: { _, worker in
                    for context in kept.withLock({ $0[worker.index]?.contexts ?? [] }) {
                        #expect(!context.isOpen && context.isClosing)
                        #expect(refusal { () throws(IOCPError) in try context.send("x") }?.name == "ENOTCONN")
                        context.close()
                        #expect(
                            refusal { () throws(IOCPError) in
                                try worker.startTimer(after: .zero, for: context.connection, key: 1)
                            }?.name == "EXDEV")
                    }
                    kept.withLock { $0[worker.index] = nil }
                })
            try await withMovingServer(driver, behaviour) { server, port, journal in
                let peers = try (0..<6).map { _ in try Peer.connect(port: port) }
                try await eventually("all have moved") { journal.snapshot.came == 6 }
                for worker in 0..<3 { try server.port.post(0, toWorker: worker) }
                try await eventually("all were tried") { kept.withLock { $0.isEmpty } }
                for name in journal.snapshot.open { try server.port.post(0, to: name) }
                for peer in peers { #expect(try peer.receive(7) == Array("by name".utf8)) }
            }
        }
    }
}

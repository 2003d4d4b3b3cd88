import Glibc
import IOCP
import Testing

extension RealSockets {
    /// What stays, and how it is said.
    @Suite(.timeLimit(.minutes(1))) struct MovingRefusals {
        private typealias Context = IocpContext<Trip>

        /// A server whose connections try something when they open, and echo; one client looks that it is served there.
        private func expectItStays(
            _ driver: Driver, _ opened: @escaping @Sendable (IocpContext<Trip>) throws(IOCPError) -> Void
        ) async throws {
            try await withMovingServer(driver, MovingBehaviour(opened: opened)) { _, port, journal in
                let peer = try Peer.connect(port: port)
                for round in 0..<20 {
                    try peer.send(pattern(300, seed: UInt64(round)))
                    #expect(try peer.receive(300) == pattern(300, seed: UInt64(round)))
                }
                #expect(journal.snapshot.came == 0)
            }
        }

        private static func other(_ connection: IocpContext<Trip>) -> Int { (connection.worker.index + 1) % 3 }

        private static func expectRefusal(
            _ connection: IocpContext<Trip>, _ name: String, _ words: String, to worker: Int? = nil,
            sourceLocation: SourceLocation = #_sourceLocation
        ) {
            let error = refusal { () throws(IOCPError) in try connection.move(to: worker ?? other(connection)) }
            #expect(error?.name == name && error?.operation == .move, "\(error as Any)", sourceLocation: sourceLocation)
            #expect("\(error as Any)".contains(words), "\(error as Any)", sourceLocation: sourceLocation)
        }

        @Test(arguments: testedDrivers) func aWorkerThatIsNotThere(driver: Driver) async throws {
            try await expectItStays(driver) { (connection: IocpContext<Trip>) throws(IOCPError) in
                Self.expectRefusal(connection, "EINVAL", "there is no worker 3", to: 3)
                Self.expectRefusal(connection, "EINVAL", "there is no worker -1", to: -1)
                try connection.move(to: connection.worker.index)
            }
        }

        @Test(arguments: testedDrivers) func itIsOnItsWayAlready(driver: Driver) async throws {
            try await withMovingServer(
                driver,
                MovingBehaviour(opened: { (connection: IocpContext<Trip>) throws(IOCPError) in
                    try connection.move(to: Self.other(connection))
                    Self.expectRefusal(connection, "EALREADY", "on its way")
                })
            ) { _, port, journal in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                #expect(try peer.receive(1) == [1])
                try await eventually("it has moved") { journal.snapshot.came == 1 }
            }
        }

        @Test(arguments: testedDrivers) func aSubscriber(driver: Driver) async throws {
            let topic = Topic()
            let callsOff = Locked(false)
            try await withMovingServer(
                driver,
                MovingBehaviour(
                    opened: { (connection: IocpContext<Trip>) throws(IOCPError) in
                        if callsOff.withLock({ $0 }) {
                            try connection.move(to: Self.other(connection))
                            try connection.subscribe(to: topic)
                        } else {
                            try connection.subscribe(to: topic)
                            Self.expectRefusal(connection, "EBUSY", "it is subscribed to a topic")
                        }
                    },
                    received: { (_: consuming ReceivedBytes, connection: IocpContext<Trip>) throws(IOCPError) in
                        connection.unsubscribe(from: topic)
                        try connection.move(to: Self.other(connection))
                    },
                    migrated: { (connection: IocpContext<Trip>, _: Int) throws(IOCPError) in
                        try connection.subscribe(to: topic)
                        try connection.send("here\n")
                    })
            ) { _, port, journal in
                let first = try Peer.connect(port: port)
                try await eventually("it is subscribed") { topic.subscriberCount == 1 }
                let firstName = try #require(journal.snapshot.open.first)
                callsOff.withLock { $0 = true }
                let second = try Peer.connect(port: port)
                try await eventually("both are subscribed") { topic.subscriberCount == 2 }
                for round in 0..<10 {
                    try topic.publish(try SharedBytes([UInt8](repeating: UInt8(round), count: 5)))
                    #expect(try first.receive(5) == [UInt8](repeating: UInt8(round), count: 5))
                    #expect(try second.receive(5) == [UInt8](repeating: UInt8(round), count: 5))
                }
                #expect(journal.snapshot.came == 0)
                // A guest is a subscriber like others, and publishers know it by its name.
                try first.send([1])
                #expect(try first.receive(5) == Array("here\n".utf8))
                #expect(journal.snapshot.came == 1 && topic.subscriberCount == 2)
                try topic.publish(try SharedBytes(Array("one\n".utf8)), except: firstName)
                try topic.publish(try SharedBytes(Array("two\n".utf8)))
                #expect(try first.receive(4) == Array("two\n".utf8))
                #expect(try second.receive(8) == Array("one\ntwo\n".utf8))
            }
            #expect(topic.subscriberCount == 0)
        }

        @Test(arguments: testedDrivers) func aBody(driver: Driver) async throws {
            let body: ConnectionBody = { worker, connection in
                while let bytes = try await connection.next() { try await connection.send(bytes) }
            }
            try await expectItStays(driver) { (connection: IocpContext<Trip>) throws(IOCPError) in
                try connection.upgrade(to: body)
                Self.expectRefusal(connection, "EBUSY", "an async body serves it")
            }
            try await expectItStays(driver) { (connection: IocpContext<Trip>) throws(IOCPError) in
                try connection.move(to: Self.other(connection))
                try connection.upgrade(to: body)
            }
        }

        @Test(arguments: testedDrivers) func aGuestIsUpgradedAndHandedBack(driver: Driver) async throws {
            let behaviour = MovingBehaviour(
                opened: { (connection: IocpContext<Trip>) throws(IOCPError) in
                    try connection.move(to: Self.other(connection))
                },
                migrated: { (connection: IocpContext<Trip>, _: Int) throws(IOCPError) in
                    guard connection.state.record.moves == 1 else { return try connection.send("again\n") }
                    try connection.upgrade { worker, connection in
                        while let line = try await connection.line() {
                            try await connection.send("body \(line)\n")
                            if line == "back" { break }
                        }
                        try await connection.flush()
                        connection.handBack()
                    }
                },
                posted: { (_: UInt64, connection: IocpContext<Trip>) throws(IOCPError) in
                    try connection.move(to: Self.other(connection))
                })
            try await withMovingServer(driver, behaviour) { server, port, journal in
                let peer = try Peer.connect(port: port)
                try peer.send("one\nback\n".utf8)
                #expect(try peer.receive(19) == Array("body one\nbody back\n".utf8))
                try peer.send("raw".utf8)
                #expect(try peer.receive(3) == Array("raw".utf8))
                try server.port.post(0, to: try #require(journal.snapshot.open.first))
                #expect(try peer.receive(6) == Array("again\n".utf8))
                try peer.send("raw".utf8)
                #expect(try peer.receive(3) == Array("raw".utf8))
                #expect(journal.snapshot.came == 2)
            }
        }

        @Test(arguments: testedDrivers) func workAndClosures(driver: Driver) async throws {
            try await expectItStays(driver) { (connection: IocpContext<Trip>) throws(IOCPError) in
                try connection.offload {
                } then: { _, _ in
                }
                Self.expectRefusal(connection, "EBUSY", "offloaded work")
            }
            try await expectItStays(driver) { (connection: IocpContext<Trip>) throws(IOCPError) in
                try connection.worker.schedule(after: .seconds(20), for: connection.connection) {}
                Self.expectRefusal(connection, "EBUSY", "a scheduled closure")
            }
            try await expectItStays(driver) { (connection: IocpContext<Trip>) throws(IOCPError) in
                try connection.move(to: Self.other(connection))
                try connection.worker.schedule(after: .seconds(20), for: connection.connection) {}
            }
            let isDone = Locked(false)
            try await withMovingServer(
                driver,
                MovingBehaviour(opened: { (connection: IocpContext<Trip>) throws(IOCPError) in
                    try connection.move(to: Self.other(connection))
                    try connection.offload {
                        while !isDone.withLock({ $0 }) { usleep(100) }
                    } then: { _, connection in
                        try connection.send("done")
                    }
                })
            ) { _, port, journal in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                #expect(try peer.receive(1) == [1])
                #expect(journal.snapshot.came == 0)
                isDone.withLock { $0 = true }
                #expect(try peer.receive(4) == Array("done".utf8))
                #expect(journal.snapshot.came == 0)
            }
        }

        @Test(arguments: testedDrivers) func aGuestsOwnThings(driver: Driver) async throws {
            let ran = Locked<[String]>([])
            let behaviour = MovingBehaviour(
                opened: { (connection: IocpContext<Trip>) throws(IOCPError) in
                    try connection.move(to: Self.other(connection))
                },
                migrated: { (connection: IocpContext<Trip>, _: Int) throws(IOCPError) in
                    try connection.offload {
                        42
                    } then: { result, connection in
                        ran.withLock { $0.append("work") }
                        try connection.send("\(result.get())\n")
                    }
                    try connection.worker.schedule(after: .milliseconds(1), for: connection.connection) {
                        ran.withLock { $0.append("closure") }
                    }
                    try connection.worker.startTimer(after: .milliseconds(1), for: connection.connection, key: 3)
                    let worker = connection.worker
                    #expect(worker.unsentByteCount(of: connection.connection) == 0)
                    try worker.setKey(4, of: connection.connection)
                    #expect(try worker.peerAddress(of: connection.connection) == connection.peerAddress())
                    try worker.send("by name\n", to: connection.connection)
                })
            try await withMovingServer(driver, behaviour) { _, port, journal in
                let peer = try Peer.connect(port: port)
                #expect(try peer.receive(11) == Array("by name\n42\n".utf8))
                try await eventually("the rest has run") {
                    ran.withLock { $0.count } == 2 && journal.snapshot.fired == [3]
                }
            }
        }

        @Test(arguments: testedDrivers) func ahandlerThatTakesNoPart(driver: Driver) async throws {
            struct Homely: ConnectionHandler {
                func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
                    let error = refusal { () throws(IOCPError) in try connection.move(to: 1 - connection.worker.index) }
                    try connection.send("\(error?.name ?? "moves"): \(error?.description ?? "")")
                }
            }
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.workers = 2
            let server = try IOCPServer(configuration) { _ in Homely() }
            let peer = try Peer.connect(port: try server.listen(host: "127.0.0.1", port: 0).address!.port)
            try peer.send([1])
            let words = "EOPNOTSUPP: the connection cannot move"
            #expect(String(decoding: try peer.receive(words.utf8.count), as: UTF8.self) == words)
            #expect(try !peer.receiveWhatCame().isEmpty)
            server.stop()
            try await server.wait()
        }
    }
}

import Glibc
import IOCP
import Testing

/// An object to post. Counts those that live, so that one that is released twice, or never, is seen.
private final class Order: Sendable {
    let number: Int
    private let alive: Locked<Int>

    init(_ number: Int, _ alive: Locked<Int>) {
        (self.number, self.alive) = (number, alive)
        alive.withLock { $0 += 1 }
    }

    deinit { alive.withLock { $0 -= 1 } }
}

/// Keeps the name of the connection that opened last.
private func noting(_ opened: Locked<Connection?>) -> @Sendable (IocpContext<Counted>) throws(IOCPError) -> Void {
    { (connection) throws(IOCPError) in
        let name = connection.connection
        opened.withLock { $0 = name }
    }
}

extension RealSockets {
    @Suite struct PostedObjects {
        @Test("numbers and objects of one thread arrive once and in order, each object released", arguments: testedDrivers)
        func order(driver: Driver) async throws {
            let alive = Locked(0)
            let came = Locked<[Int]>([])
            var behaviour = Behaviour()
            behaviour.posted = { (value, _, worker) throws(IOCPError) in
                came.withLock { $0.append(Int(value)) }
            }
            behaviour.postedObject = { (object, connection, _) throws(IOCPError) in
                #expect(connection == nil)
                let number = (object as? Order)?.number ?? -1
                came.withLock { $0.append(number) }
            }
            try await withServer(driver, { _ in }, behaviour) { server, _, _ in
                for number in 0..<1_000 {
                    if number % 3 == 0 {
                        try server.port.post(UInt64(number), toWorker: 1)
                    } else {
                        try server.port.post(Order(number, alive), toWorker: 1)
                    }
                }
                try await eventually("all came") { came.withLock { $0.count } == 1_000 }
                #expect(came.withLock { $0 } == Array(0..<1_000))
                try await eventually("all went") { alive.withLock { $0 } == 0 }
            }
        }

        @Test("to a connection: with its context, and with nil once it has closed", arguments: testedDrivers)
        func connections(driver: Driver) async throws {
            let alive = Locked(0)
            let opened = Locked<Connection?>(nil)
            let came = Locked<[Connection?]>([])
            var behaviour = Behaviour()
            behaviour.opened = noting(opened)
            behaviour.postedObject = { (object, connection, _) throws(IOCPError) in
                let name = connection?.connection
                came.withLock { $0.append(name) }
                try connection?.send("\((object as! Order).number)")
            }
            try await withServer(driver, { _ in }, behaviour) { server, port, ledger in
                var peer: Peer? = try Peer.connect(port: port)
                try await eventually("it opened") { opened.withLock { $0 != nil } }
                let connection = try #require(opened.withLock { $0 })
                try server.port.post(Order(7, alive), to: connection)
                #expect(try peer?.receive(1) == Array("7".utf8))
                peer = nil
                try await eventually("it closed") { ledger.snapshot.closed.count == 1 }
                try server.port.post(Order(8, alive), to: connection)
                try await eventually("both came") { came.withLock { $0.count } == 2 }
                #expect(came.withLock { $0 } == [connection, nil])
                try await eventually("both went") { alive.withLock { $0 } == 0 }
            }
        }

        @Test("what is refused is released at once, and stays usable", arguments: testedDrivers)
        func refused(driver: Driver) throws {
            let alive = Locked(0)
            var configuration = oneWorker(driver)
            configuration.mailboxEntries = 16
            let port = try CompletionPort(configuration)
            let order = Order(1, alive)
            #expect(refusal { () throws(IOCPError) in try port.post(order, toWorker: 0) }?.name == "ENXIO")
            #expect(refusal { () throws(IOCPError) in try port.post(order, toWorker: 1) }?.name == "EINVAL")
            do {
                let worker = try port.attachWorker()
                for _ in 0..<16 { try port.post(Order(2, alive), toWorker: 0) }
                #expect(refusal { () throws(IOCPError) in try port.post(Order(3, alive), toWorker: 0) }?.name == "EAGAIN")
                #expect(alive.withLock { $0 } == 17)
                _ = consume worker // 16 objects that nobody took
            }
            #expect(alive.withLock { $0 } == 1)
            #expect(refusal { () throws(IOCPError) in try port.post(order, toWorker: 0) }?.name == "ESHUTDOWN")
            #expect(order.number == 1)
        }

        @Test("a batch hands an object out once, and releases what nobody took", arguments: testedDrivers)
        func batches(driver: Driver) async throws {
            let alive = Locked(0)
            let port = try CompletionPort(oneWorker(driver))
            try await onThreads(1) { _ in
                let worker = try port.attachWorker()
                do {
                    var batch = CompletionBatch(capacity: 16)
                    try port.post(Order(1, alive), toWorker: 0)
                    try port.post(Order(2, alive), toWorker: 0)
                    try port.post(3, toWorker: 0)
                    #expect(try worker.wait(into: &batch, timeout: .seconds(5)) == 3)
                    #expect(batch[0].event == .postedObject && batch[1].event == .postedObject && batch[2].event == .posted)
                    let first = batch.takeObject(at: 0) as? Order
                    let again = batch.takeObject(at: 0) == nil
                    let number = batch.takeObject(at: 2) == nil
                    #expect(first?.number == 1 && again && number)
                    #expect(batch[0].event == .postedObject)
                    #expect(alive.withLock { $0 } == 2)
                    #expect(try worker.wait(into: &batch, timeout: .zero) == 0)
                    #expect(alive.withLock { $0 } == 1)
                    try port.post(Order(4, alive), toWorker: 0)
                    #expect(try worker.wait(into: &batch, timeout: .seconds(5)) == 1)
                    #expect(alive.withLock { $0 } == 2)
                    withExtendedLifetime(first) {}
                }
                #expect(alive.withLock { $0 } == 0)
            }
        }

        @Test("a handler without the method is told so", arguments: testedDrivers)
        func untaken(driver: Driver) throws {
            let failures = Locked<[HandlerMethod: Int]>([:])
            let alive = Locked(0)
            let server = try IOCPServer(oneWorker(driver)) { _ in Deaf(failures: failures) }
            try server.port.post(Order(1, alive), toWorker: 0)
            server.stop()
            try server.wait()
            #expect(failures.withLock { $0 } == [.postedObject: 1])
            #expect(alive.withLock { $0 } == 0)
            #expect(server.port.stats(ofWorker: 0).handlerErrors == 1)
        }
    }

    @Suite struct SendsFromElsewhere {
        @Test("sends and posts of one thread keep their order", arguments: testedDrivers)
        func order(driver: Driver) async throws {
            let opened = Locked<Connection?>(nil)
            var behaviour = Behaviour()
            behaviour.opened = noting(opened)
            behaviour.posted = { (value, connection, _) throws(IOCPError) in try connection?.send([UInt8(value)]) }
            try await withServer(driver, { _ in }, behaviour) { server, port, _ in
                let peer = try Peer.connect(port: port)
                try await eventually("it opened") { opened.withLock { $0 != nil } }
                let connection = try #require(opened.withLock { $0 })
                for number in 0..<100 {
                    if number % 2 == 0 {
                        try server.port.send(try SharedBytes([UInt8(number)]), to: connection)
                    } else {
                        try server.port.post(UInt64(number), to: connection)
                    }
                }
                #expect(try peer.receive(100) == (0..<100).map { UInt8($0) })
            }
        }

        @Test("bytes for a connection that is gone are dropped, counted and released", arguments: testedDrivers)
        func gone(driver: Driver) async throws {
            let opened = Locked<Connection?>(nil)
            var behaviour = Behaviour()
            behaviour.opened = noting(opened)
            try await withServer(driver, { $0.workers = 1 }, behaviour) { server, port, ledger in
                var peer: Peer? = try Peer.connect(port: port)
                try await eventually("it opened") { opened.withLock { $0 != nil } }
                let connection = try #require(opened.withLock { $0 })
                withExtendedLifetime(peer) {}
                peer = nil
                try await eventually("it closed") { ledger.snapshot.closed.count == 1 }
                weak var weakly: SharedBytes?
                do {
                    let bytes = try SharedBytes([1])
                    weakly = bytes
                    for _ in 0..<5 { try server.port.send(bytes, to: connection) }
                }
                #expect(weakly == nil)
                try await eventually("it is counted") { server.port.stats(ofWorker: 0).droppedSends == 5 }
            }
        }

        @Test("at the cap a send from elsewhere is any other send", arguments: testedDrivers)
        func overflow(driver: Driver) async throws {
            let opened = Locked<Connection?>(nil)
            var behaviour = Behaviour()
            behaviour.opened = noting(opened)
            let change: @Sendable (inout PortConfiguration) -> Void = {
                $0.workers = 1
                $0.sendLowWatermark = 100
                $0.sendHighWatermark = 1_000
                $0.sendCap = 1_000
            }
            try await withServer(driver, change, behaviour) { server, port, ledger in
                let peer = try Peer.connect(port: port)
                try await eventually("it opened") { opened.withLock { $0 != nil } }
                try server.port.send(try SharedBytes(pattern(1_001)), to: try #require(opened.withLock { $0 }))
                #expect(peer.end() == .reset)
                try await eventually("it closed") { ledger.snapshot.closed == [.sendOverflow] }
                #expect(server.port.stats(ofWorker: 0).droppedSends == 1)
            }
        }

        @Test("a raw loop needs to do nothing for it", arguments: testedDrivers)
        func raw(driver: Driver) async throws {
            let port = try CompletionPort(oneWorker(driver))
            let address = try port.listen(host: "127.0.0.1", port: 0).address!
            try await onThreads(1) { _ in
                let worker = try port.attachWorker()
                let peer = try Peer.connect(port: address.port)
                var batch = CompletionBatch()
                var connection: Connection?
                while connection == nil {
                    for index in 0..<(try worker.wait(into: &batch, timeout: .seconds(5))) {
                        connection = connection ?? batch[index].connection
                    }
                }
                try port.send(try SharedBytes([1, 2, 3]), to: try #require(connection))
                while !peer.answers(within: .zero) {
                    #expect(try worker.wait(into: &batch, timeout: .milliseconds(1)) == 0)
                }
                #expect(try peer.receive(3) == [1, 2, 3])
                // One that nobody takes out, and one that is refused, are given up.
                try port.send(try SharedBytes([4]), to: try #require(connection))
                port.stop()
                worker.abort(try #require(connection))
                while (try? worker.wait(into: &batch, timeout: .milliseconds(1))) != nil {}
                let refused = #expect(throws: IOCPError.self) {
                    try port.send(try SharedBytes([5]), to: try #require(connection))
                }
                #expect(refused?.code == ESHUTDOWN)
            }
        }
    }
}

private struct Deaf: ConnectionHandler, Handles.Failed {
    let failures: Locked<[HandlerMethod: Int]>
    func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {}
    func failed(_ error: IOCPError, in method: HandlerMethod, on worker: Worker) {
        failures.withLock { $0[method, default: 0] += 1 }
    }
}

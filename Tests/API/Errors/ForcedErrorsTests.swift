import Glibc
import IOCP
import Testing

extension RealSockets {
    /// Errors made to happen by real calls, each with the sentence of its own operation.
    @Suite struct ForcedErrors {
        /// What a call was refused with, checked against the table.
        private static func expect(
            _ error: IOCPError?, _ operation: IOCPError.Operation, _ name: String,
            sourceLocation: SourceLocation = #_sourceLocation
        ) {
            guard let error else {
                Issue.record("nothing was refused, \(operation) \(name) was due", sourceLocation: sourceLocation)
                return
            }
            #expect(error.operation == operation && error.name == name, "\(error)", sourceLocation: sourceLocation)
            #expect(ErrorSentences.due(error) == error.description, sourceLocation: sourceLocation)
        }

        private final class Errors: Sendable {
            private let storage = Locked<[(String, IOCPError?)]>([])
            func add(_ name: String, _ error: IOCPError?) { storage.withLock { $0.append((name, error)) } }
            var count: Int { storage.withLock { $0.count } }
            subscript(name: String) -> IOCPError? { storage.withLock { $0.first { $0.0 == name }?.1 } }
        }

        @Test("what a connection refuses", arguments: testedDrivers)
        func sends(driver: Driver) async throws {
            let errors = Errors()
            var behaviour = Behaviour()
            behaviour.opened = { connection throws(IOCPError) in
                func note(_ name: String, _ call: () throws(IOCPError) -> Void) { errors.add(name, refusal(call)) }
                note("over the cap") { () throws(IOCPError) in
                    try connection.send([UInt8](repeating: 1, count: 600_000))
                    try connection.send([UInt8](repeating: 1, count: 600_000))
                }
                note("without memory") { () throws(IOCPError) in
                    // The chunks end before the cap.
                    try connection.send([UInt8](repeating: 1, count: 300_000))
                }
                try connection.finishSending()
                note("finished") { () throws(IOCPError) in try connection.send("more") }
                connection.abort()
                note("closing") { () throws(IOCPError) in try connection.send("more") }
                note("closing, notify") { () throws(IOCPError) in try connection.notifyWhenSent(key: 1) }
                note("closing, pause") { () throws(IOCPError) in try connection.pauseReceiving() }
                note("closing, finish") { () throws(IOCPError) in try connection.finishSending() }
            }
            try await withServer(
                driver,
                {
                    $0.workers = 1
                    $0.overflowPolicy = .refuse
                    $0.sendCap = 1_000_000
                    $0.sendHighWatermark = 1_000_000
                    $0.sendChunksPerWorker = 64
                }, behaviour
            ) { _, port, _ in
                let peer = try Peer.connect(port: port)
                try await eventually("everything was refused") { errors.count == 7 }
                _ = peer
            }
            Self.expect(errors["over the cap"], .send, "EAGAIN")
            Self.expect(errors["without memory"], .send, "ENOBUFS")
            Self.expect(errors["finished"], .send, "EPIPE")
            Self.expect(errors["closing"], .send, "ENOTCONN")
            Self.expect(errors["closing, notify"], .notifyWhenSent, "ENOTCONN")
            Self.expect(errors["closing, pause"], .receive, "ENOTCONN")
            Self.expect(errors["closing, finish"], .close, "ENOTCONN")
        }

        @Test("another worker's connection is told from a closed one", arguments: testedDrivers)
        func anotherWorkers(driver: Driver) async throws {
            let names = Names()
            let errors = Errors()
            var behaviour = Behaviour()
            behaviour.opened = { connection throws(IOCPError) in names.append(connection.connection) }
            behaviour.posted = { _, _, worker throws(IOCPError) in
                guard let other = names.all.first(where: { $0.workerIndex != worker.index }) else { return }
                errors.add(
                    "send",
                    refusal { () throws(IOCPError) in
                        try worker.send([UInt8](repeating: 1, count: 9).span.bytes, to: other)
                    })
                errors.add("notify", refusal { () throws(IOCPError) in try worker.notifyWhenSent(other, key: 1) })
                errors.add("key", refusal { () throws(IOCPError) in try worker.setKey(1, of: other) })
                errors.add(
                    "timer",
                    refusal { () throws(IOCPError) in _ = try worker.startTimer(after: .zero, for: other, key: 1) })
            }
            try await withServer(driver, { _ in }, behaviour) { server, port, _ in
                var peers: [Peer] = []
                try await eventually("both workers have a connection") {
                    if let peer = try? Peer.connect(port: port) { peers.append(peer) }
                    return Set(names.all.map(\.workerIndex)).count == 2
                }
                try server.port.post(1, toWorker: 0)
                try await eventually("all four were refused") { errors.count == 4 }
                // It is open still.
                #expect(server.port.stats(ofWorker: 1).closed == 0)
            }
            Self.expect(errors["send"], .send, "EXDEV")
            Self.expect(errors["notify"], .notifyWhenSent, "EXDEV")
            Self.expect(errors["key"], .inquiry, "EXDEV")
            Self.expect(errors["timer"], .timer, "EXDEV")
        }

        @Test("how a connect fails", arguments: testedDrivers)
        func connects(driver: Driver) async throws {
            let errors = Errors()
            var behaviour = Behaviour()
            behaviour.connectFailed = { error, key in errors.add("\(key)", error) }
            try await withServer(driver, { $0.workers = 1 }, behaviour) { server, port, _ in
                var configuration = PortConfiguration()
                configuration.driver = driver
                configuration.workers = 1
                configuration.connectionsPerWorker = 1
                let (ledger, ofClient) = (Ledger(), behaviour)
                let client = try IOCPClient(configuration) {
                    AuditedHandler(behaviour: ofClient, ledger: ledger, worker: $0)
                }
                let here = try SocketAddress(host: "127.0.0.1", port: port)
                let nobody = Peer(try boundAndSilent())
                try client.connect(to: try SocketAddress(host: "127.0.0.1", port: portOf(nobody.fd)), key: 1)
                try await eventually("refused") { errors.count == 1 }
                try client.connect(to: here, from: try SocketAddress(host: "192.0.2.1", port: 0), key: 2)
                try client.connect(to: here, from: try SocketAddress(host: "::1", port: 0), key: 3)
                try client.connect(to: here, from: here, key: 4)
                try await eventually("four failed") { errors.count == 4 }
                try client.connect(to: here, key: 5)
                try client.connect(to: here, key: 6)
                try await eventually("the second has no slot") { errors.count == 5 }
                client.stop()
                try await client.wait()
                errors.add("7", refusal { () throws(IOCPError) in try client.connect(to: here) })
            }
            Self.expect(errors["1"], .connect, "ECONNREFUSED")
            Self.expect(errors["2"], .connect, "EADDRNOTAVAIL")
            #expect(errors["2"]?.summary == "the source address is not this machine's")
            Self.expect(errors["3"], .connect, "EAFNOSUPPORT")
            Self.expect(errors["4"], .connect, "EADDRINUSE")
            Self.expect(errors["6"], .connect, "ENFILE")
            Self.expect(errors["7"], .connect, "ESHUTDOWN")
        }

        @Test("how a post is refused", arguments: testedDrivers)
        func posts(driver: Driver) async throws {
            let gate = Locked(true)
            var behaviour = Behaviour()
            behaviour.posted = { _, _, _ throws(IOCPError) in while gate.withLock({ $0 }) { usleep(1000) } }
            try await withServer(
                driver,
                {
                    $0.workers = 1
                    $0.mailboxEntries = 16
                }, behaviour
            ) { server, _, _ in
                let error = refusal { () throws(IOCPError) in
                    for value: UInt64 in 0..<100 { try server.port.post(value, toWorker: 0) }
                }
                gate.withLock { $0 = false }
                Self.expect(error, .post, "EAGAIN")
                server.stop()
                try server.wait()
                Self.expect(
                    refusal { () throws(IOCPError) in try server.port.post(1, toWorker: 0) }, .post, "ESHUTDOWN")
                Self.expect(
                    refusal { () throws(IOCPError) in try server.listen(host: "127.0.0.1", port: 0) }, .listen,
                    "ESHUTDOWN")
            }
        }

        @Test("how timers end and are refused", arguments: testedDrivers)
        func timers(driver: Driver) async throws {
            let errors = Errors()
            let armed = Locked<[UInt64: WorkerTimer]>([:])
            var behaviour = Behaviour()
            behaviour.posted = { value, _, worker throws(IOCPError) in
                switch value {
                case 1:
                    let timer = try worker.startTimer(after: .seconds(60), key: 1)
                    armed.withLock { $0[1] = timer }
                    errors.add(
                        "too many",
                        refusal { () throws(IOCPError) in
                            _ = try worker.startTimer(after: .seconds(60), key: 2)
                        })
                    try worker.cancelTimer(timer)
                default:
                    guard let timer = armed.withLock({ $0[1] }) else { return }
                    errors.add("again", refusal { () throws(IOCPError) in try worker.cancelTimer(timer) })
                }
            }
            behaviour.timerFired = { key, error, _ throws(IOCPError) in errors.add("fired \(key)", error) }
            try await withServer(
                driver,
                {
                    $0.workers = 1
                    $0.timersPerWorker = 1
                }, behaviour
            ) { server, _, _ in
                try server.port.post(1, toWorker: 0)
                try await eventually("the timer ended") { errors.count == 2 }
                try server.port.post(2, toWorker: 0)
                try await eventually("and is gone") { errors.count == 3 }
            }
            Self.expect(errors["too many"], .timer, "ENOBUFS")
            Self.expect(errors["fired 1"], .timer, "ECANCELED")
            Self.expect(errors["again"], .timer, "ENOENT")
        }

        @Test("why what was queued is not sent, and why a connection closed", arguments: testedDrivers)
        func endings(driver: Driver) async throws {
            let errors = Errors()
            var behaviour = Behaviour()
            behaviour.received = { bytes, connection throws(IOCPError) in
                let resets = bytes.count == 1
                // More than the socket takes, so that it is still on its way.
                try connection.send([UInt8](repeating: 7, count: 16 << 20))
                try connection.notifyWhenSent(key: resets ? 1 : 2)
                if !resets { connection.abort() }
            }
            behaviour.sent = { key, error, _ throws(IOCPError) in errors.add("\(key)", error) }
            try await withServer(driver, { $0.workers = 1 }, behaviour) { server, port, ledger in
                do {
                    let resetting = try Peer.connect(port: port)
                    try resetting.send([1])
                    #expect(resetting.answers(within: .seconds(5)))
                    resetting.resetOnClose()
                }
                let patient = try Peer.connect(port: port)
                try patient.send([1, 2])
                try await eventually("both ended") { errors.count == 2 && ledger.snapshot.closed.count == 2 }
                let reset = ledger.snapshot.closed.compactMap { if case .reset(let error) = $0 { error } else { nil } }
                    .first
                Self.expect(reset, .transport, "ECONNRESET")
            }
            Self.expect(errors["1"], .notifyWhenSent, "ECONNRESET")
            Self.expect(errors["2"], .notifyWhenSent, "ECANCELED")
        }

        @Test("why nobody can listen there", arguments: testedDrivers)
        func listening(driver: Driver) async throws {
            try await withServer(driver) { server, port, _ in
                let both = try server.listen(host: "::", port: 0).address!.port
                let own = refusal { () throws(IOCPError) in try server.listen(host: "0.0.0.0", port: both) }
                Self.expect(own, .listen, "EADDRINUSE")
                #expect(own?.cause?.contains("this server listens there itself") == true, "\(String(describing: own))")
                let other = try CompletionPort()
                let foreign = refusal { () throws(IOCPError) in try other.listen(host: "127.0.0.1", port: port) }
                Self.expect(foreign, .listen, "EADDRINUSE")
                #expect(foreign?.cause?.contains("another socket") == true, "\(String(describing: foreign))")
                Self.expect(
                    refusal { () throws(IOCPError) in try server.listen(host: "192.0.2.1", port: 0) }, .listen,
                    "EADDRNOTAVAIL")
                Self.expect(
                    refusal { () throws(IOCPError) in try server.listen(host: "no such host", port: 0) }, .resolve,
                    "EINVAL")
                Self.expect(
                    refusal { () throws(IOCPError) in try server.listen(host: "127.0.0.1", port: 65_536) }, .resolve,
                    "ERANGE")
            }
        }

        @Test("why a worker cannot be attached, and how its waits end", arguments: testedDrivers)
        func attaching(driver: Driver) async throws {
            var configuration = PortConfiguration()
            configuration.driver = driver
            configuration.workers = 1
            configuration.workerPlacement = .unbound
            let port = try CompletionPort(configuration)
            let stopped = try CompletionPort(configuration)
            stopped.stop()
            Self.expect(refusal { () throws(IOCPError) in _ = try stopped.attachWorker() }, .attach, "ESHUTDOWN")
            Self.expect(refusal { () throws(IOCPError) in try port.post(1, toWorker: 0) }, .post, "ENXIO")
            try await onThreads(1) { _ in
                let worker = try port.attachWorker()
                Self.expect(refusal { () throws(IOCPError) in _ = try port.attachWorker() }, .attach, "EBUSY")
                port.stop()
                var batch = CompletionBatch()
                var ended: IOCPError?
                while ended == nil {
                    do throws(IOCPError) { _ = try worker.wait(into: &batch, timeout: .seconds(5)) } catch {
                        ended = error
                    }
                }
                Self.expect(ended, .wait, "ECANCELED")
                Self.expect(
                    refusal { () throws(IOCPError) in _ = try worker.startTimer(after: .zero, key: 1) }, .timer,
                    "ESHUTDOWN")
            }
        }

        @Test("why a process' counters cannot be read")
        func counters() throws {
            Self.expect(refusal { () throws(IOCPError) in _ = try PortStats(processID: 5_000_000) }, .stats, "ESRCH")
            Self.expect(refusal { () throws(IOCPError) in _ = try PortStats(processID: 2) }, .stats, "ENOENT")
        }
    }
}

/// A bound socket that does not listen: its port refuses, and nobody else takes it.
private func boundAndSilent() throws -> Int32 {
    let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let result = withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
    try #require(result == 0)
    return fd
}

private func portOf(_ fd: Int32) throws -> Int {
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let result = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(fd, $0, &length) }
    }
    try #require(result == 0)
    return Int(UInt16(bigEndian: address.sin_port))
}

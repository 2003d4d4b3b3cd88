import Glibc
import IOCP
import Testing

extension RealSockets {
    /// What a closure writes is queued when it returns, and not before; nothing else is sent meanwhile.
    @Suite struct Writing {
        /// A server that runs `body` at the first byte, and the bytes that its client gets from then until the close.
        private func sent(
            _ driver: Driver, _ body: @escaping @Sendable (Way.Context) throws(IOCPError) -> Void
        ) async throws -> [UInt8] {
            var behaviour = Behaviour()
            behaviour.received = { _, connection throws(IOCPError) in
                try body(connection)
                connection.close()
            }
            let received = Locked<[UInt8]>([])
            try await withServer(driver, { $0.overflowPolicy = .refuse }, behaviour) { _, port, ledger in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                let bytes = try peer.receive(1 << 20)
                received.withLock { $0 = bytes }
                peer.finishSending()
                try await eventually("closed") { ledger.snapshot.closed == [.local] }
            }
            return received.withLock { $0 }
        }

        @Test("a closure that throws sends nothing", arguments: testedDrivers)
        func throwing(driver: Driver) async throws {
            let given = IOCPError(code: ENOENT, detail: "of the application")
            let bytes = try await sent(driver) { connection throws(IOCPError) in
                let errors = [
                    refusal { () throws(IOCPError) in
                        try connection.send(capacity: 100) { output throws(IOCPError) in
                            output.append(1)
                            throw given
                        }
                    },
                    refusal { () throws(IOCPError) in
                        try connection.send { parts throws(IOCPError) in
                            try parts.append(pattern(50_000))
                            try parts.append(capacity: 10) { output throws(IOCPError) in
                                output.append(2)
                                throw given
                            }
                        }
                    },
                ]
                #expect(errors == [given, given] && connection.unsentByteCount == 0)
                try connection.send("after")
            }
            #expect(bytes == Array("after".utf8))
        }

        @Test("a part that its closure gives up is left out", arguments: testedDrivers)
        func partGivenUp(driver: Driver) async throws {
            let bytes = try await sent(driver) { connection throws(IOCPError) in
                try connection.send { parts throws(IOCPError) in
                    try parts.append("a")
                    let error = refusal { () throws(IOCPError) in
                        try parts.append(capacity: 10) { output throws(IOCPError) in
                            output.append(66)
                            throw IOCPError(code: ENOENT)
                        }
                    }
                    #expect(error?.name == "ENOENT")
                    try parts.append("c")
                }
            }
            #expect(bytes == Array("ac".utf8))
        }

        @Test("bytes that were taken back are not sent", arguments: testedDrivers)
        func takenBack(driver: Driver) async throws {
            let bytes = try await sent(driver) { connection throws(IOCPError) in
                try connection.send(capacity: 100) { output in
                    for byte: UInt8 in 0..<100 { output.append(byte) }
                    output.removeLast(97)
                }
                try connection.send(capacity: 100) { $0.append(3) }
                try connection.send(capacity: 0) { output in
                    let isFull = output.isFull
                    #expect(isFull)
                }
                try connection.send(capacity: 100) { _ in }
                try connection.send { _ in }
            }
            #expect(bytes == [0, 1, 2, 3])
        }

        @Test("more than a chunk in place is refused by name", arguments: testedDrivers)
        func capacities(driver: Driver) async throws {
            let bytes = try await sent(driver) { connection throws(IOCPError) in
                for capacity in [16_385, 1 << 40, .max, -1, .min] {
                    let error = refusal { () throws(IOCPError) in
                        try connection.send(capacity: capacity) { _ in Issue.record("the closure ran") }
                    }
                    #expect(error?.name == "EINVAL" && error.map { ErrorSentences.due($0) == $0.description } == true)
                }
                try connection.send(capacity: 16_384) { output in
                    let capacity = output.capacity, count = output.byteCount
                    #expect(capacity == 16_384 && count == 0)
                    while !output.isFull { output.append(5) }
                }
            }
            #expect(bytes == [UInt8](repeating: 5, count: 16_384))
        }

        @Test("a refusal is final, also if the closure goes on", arguments: testedDrivers)
        func refusals(driver: Driver) async throws {
            let most = PortConfiguration().sendCap
            let bytes = try await sent(driver) { connection throws(IOCPError) in
                try connection.setWatermarks(Watermarks(low: 1, high: 1000, cap: 1000))
                let error = refusal { () throws(IOCPError) in
                    try connection.send { parts throws(IOCPError) in
                        try parts.append(pattern(600))
                        for _ in 0..<2 {
                            let error = refusal { () throws(IOCPError) in try parts.append(pattern(600)) }
                            #expect(error?.name == "EMSGSIZE")
                        }
                        try parts.append("not after that")
                    }
                }
                #expect(error?.name == "EMSGSIZE" && connection.unsentByteCount == 0)
                try connection.setWatermarks(Watermarks(low: 1, high: most, cap: most))
                try connection.send("whole")
            }
            #expect(bytes == Array("whole".utf8))
        }

        @Test("what never ends is refused", arguments: testedDrivers)
        func endless(driver: Driver) async throws {
            let bytes = try await sent(driver) { connection throws(IOCPError) in
                try connection.setWatermarks(Watermarks(low: 1, high: 1000, cap: 100_000))
                let endless = sequence(first: UInt8(0)) { $0 &+ 1 }
                let error = refusal { () throws(IOCPError) in try connection.send(endless) }
                #expect(error?.name == "EMSGSIZE" && connection.unsentByteCount == 0)
                try connection.send(endless.prefix(3))
            }
            #expect(bytes == [0, 1, 2])
        }

        @Test("within a closure nothing else is sent", arguments: testedDrivers)
        func nested(driver: Driver) async throws {
            let shared = try SharedBytes([9])
            let bytes = try await sent(driver) { connection throws(IOCPError) in
                try connection.send(capacity: 10) { output in
                    output.append(1)
                    for way in Way.all(10) {
                        let error = refusal { () throws(IOCPError) in try way.onContext(connection) }
                        #expect(error?.name == "EBUSY")
                    }
                    let others = [
                        refusal { () throws(IOCPError) in try connection.send(shared) },
                        refusal { () throws(IOCPError) in try connection.notifyWhenSent(key: 1) },
                    ]
                    for error in others {
                        #expect(error?.name == "EBUSY")
                        #expect(error.map { ErrorSentences.due($0) == $0.description } == true)
                    }
                    output.append(2)
                }
                // A sequence, too, may run code of the application's.
                let error = refusal { () throws(IOCPError) in
                    try connection.send(
                        (0..<3 as Range<UInt8>).lazy.map { byte in
                            let error = refusal { () throws(IOCPError) in try connection.send([byte]) }
                            #expect(error?.name == "EBUSY")
                            return byte
                        })
                }
                #expect(error == nil)
            }
            #expect(bytes == [1, 2, 0, 1, 2])
        }

        @Test("a connection that ends within the closure sends nothing", arguments: testedDrivers)
        func closedWithin(driver: Driver) async throws {
            let bytes = try await sent(driver) { connection throws(IOCPError) in
                try connection.send("before")
                let error = refusal { () throws(IOCPError) in
                    try connection.send(capacity: 10) { output in
                        output.append(1)
                        connection.close()
                    }
                }
                #expect(error?.name == "ENOTCONN")
            }
            #expect(bytes == Array("before".utf8))
        }

        @Test("a loop of one's own may wait within a closure", arguments: testedDrivers)
        func waitWithin(driver: Driver) async throws {
            try await withRawWorker(driver) { worker, connection in
                var batch = CompletionBatch()
                try worker.send("first", to: connection)
                try worker.send(capacity: 100, to: connection) { output throws(IOCPError) in
                    for byte in "second".utf8 { output.append(byte) }
                    while worker.unsentByteCount(of: connection) > 0 {
                        _ = try worker.wait(into: &batch, timeout: .milliseconds(10))
                    }
                }
            } peer: { peer in
                let bytes = try peer.receive(100)
                #expect(bytes == Array("firstsecond".utf8))
            }
        }

        /// A prefix without its payload would frame whatever is sent next.
        @Test("a frame that is refused leaves no prefix", arguments: testedDrivers)
        func frames(driver: Driver) async throws {
            let framing = LengthPrefixed(.two)
            let bytes = try await sent(driver) { connection throws(IOCPError) in
                try connection.setWatermarks(Watermarks(low: 1, high: 1000, cap: 1000))
                try connection.send(framed: pattern(900), by: framing)
                for payload in [pattern(97), pattern(2000)] {
                    let error = refusal { () throws(IOCPError) in try connection.send(framed: payload, by: framing) }
                    #expect(error?.name == (payload.count > 1000 ? "EMSGSIZE" : "EAGAIN"))
                }
                let error = refusal { () throws(IOCPError) in
                    try connection.send(framed: pattern(65_536), by: framing)
                }
                #expect(error?.name == "EOVERFLOW" && error?.operation == .framing)
                try connection.send(framed: [7], by: framing)
            }
            #expect(bytes == [3, 132] + pattern(900) + [0, 1, 7])
        }
    }
}

import Glibc
import IOCP
import SharedHarness
import Testing

extension RealSockets.Async {
    @Suite struct Reading {
        @Test("pieces of every kind, however the stream is split", arguments: testedDrivers)
        func pieces(driver: Driver) async throws {
            let found = BodyNotes<[String]>()
            try await withBodies(driver) { _, connection in
                while let head = try await connection.readExactly(3) {
                    let until = try #require(try await connection.readUntil([0]))
                    let line = try #require(try await connection.line())
                    let frame = try #require(try await connection.frame(LengthPrefixed(.two)))
                    found.add([head, until, frame].map { String(decoding: $0, as: UTF8.self) } + [line])
                    try await connection.send("\(found.all.count)\n")
                }
            } use: { _, port, _ in
                var random = SplitMix64(seed: 3)
                for step in [1, 2, 3, 5, 8, 13, 64, 100_000] {
                    let peer = try Peer.connect(port: port)
                    var stream: [UInt8] = []
                    for _ in 0..<20 {
                        let until = [UInt8](repeating: 65, count: Int(random.next() % 40))
                        let frame = pattern(Int(random.next() % 3_000)).map { $0 % 26 + 97 }
                        stream += Array("abc".utf8) + until + [0] + Array("a line\r\n".utf8)
                        stream += [UInt8(frame.count >> 8), UInt8(frame.count & 255)] + frame
                    }
                    let before = found.all.count
                    for start in stride(from: 0, to: stream.count, by: step) {
                        try peer.send(stream[start..<min(start + step, stream.count)])
                    }
                    try await eventually("20 pieces in steps of \(step)") { found.all.count == before + 20 }
                    #expect(found.all.dropFirst(before).allSatisfy { $0[0] == "abc" && $0[3] == "a line" })
                    peer.finishSending()
                }
            }
        }

        @Test("sequences of frames and of lines end with the peer", arguments: testedDrivers)
        func sequences(driver: Driver) async throws {
            let found = BodyNotes<String>()
            try await withBodies(driver) { _, connection in
                var count = 0
                for try await line in connection.lines() {
                    found.add(line)
                    count += 1
                    if count == 3 { break }
                }
                for try await frame in connection.frames(LengthPrefixed(.one)) {
                    found.add(String(decoding: frame, as: UTF8.self))
                }
                found.add("end")
            } use: { _, port, _ in
                let peer = try Peer.connect(port: port)
                try peer.send("one\ntwo\r\nthree\n\u{2}ab\u{0}\u{1}c".utf8)
                peer.finishSending()
                try await eventually("all of it") { found.all.last == "end" }
            }
            #expect(found.all == ["one", "two", "three", "ab", "", "c", "end"])
        }

        @Test("bytes that nobody needs are skipped, however they come", arguments: testedDrivers)
        func skipping(driver: Driver) async throws {
            let found = BodyNotes<String>()
            try await withBodies(driver) { _, connection in
                found.add("\(try await connection.skip(0))")
                while let line = try await connection.line() {
                    found.add(line)
                    if line == "late" { break }
                    found.add("\(try await connection.skip(100_000))")
                }
                let error = await failure { try await connection.skip(10) }
                found.add("\(error?.operation == .framing) \(error?.name ?? "nothing")")
                found.add("\(try await connection.skip(1))")
            } use: { _, port, _ in
                let peer = try Peer.connect(port: port)
                for piece in ["a\n" + String(repeating: "x", count: 50_000), String(repeating: "x", count: 50_000) + "b\n"] {
                    try peer.send(piece.utf8)
                    try await Task.sleep(for: .milliseconds(10))
                }
                try peer.send((String(repeating: "y", count: 100_000) + "late\nshort").utf8)
                peer.finishSending()
                try await eventually("the end") { found.all.count == 8 }
            }
            #expect(found.all == ["true", "a", "true", "b", "true", "late", "true ENODATA", "false"])
        }

        @Test("what a frame's closure returns or throws comes back, and the next frame behind it", arguments: testedDrivers)
        func values(driver: Driver) async throws {
            struct Odd: Error {}
            let found = BodyNotes<String>()
            try await withBodies(driver) { _, connection in
                var isOver = false
                while !isOver {
                    do {
                        let value = try await connection.withFrame(FixedSize(2)) { bytes in
                            let value = bytes.bigEndian(UInt16.self, at: 0)
                            if value % 2 == 1 { throw Odd() }
                            return value
                        }
                        found.add(value.map(String.init) ?? "end")
                        isOver = value == nil
                    } catch is Odd {
                        found.add("odd")
                    }
                }
            } use: { _, port, _ in
                let peer = try Peer.connect(port: port)
                try peer.send([0, 2, 0, 3, 0, 4])
                peer.finishSending()
                try await eventually("the end") { found.all.last == "end" }
            }
            #expect(found.all == ["2", "odd", "4", "end"])
        }

        @Test("every way to send waits for a peer that does not read", arguments: testedDrivers)
        func pacedSends(driver: Driver) async throws {
            let rounds = 60
            try await withBodies(
                driver,
                {
                    $0.sendCap = 256 << 10
                    $0.sendHighWatermark = 64 << 10
                    $0.sendLowWatermark = 16 << 10
                }
            ) { _, connection in
                let block = [UInt8](repeating: 7, count: 16_000)
                for _ in 0..<rounds {
                    try await connection.send(framed: block, by: LengthPrefixed(.two))
                    try await connection.send(capacity: 16_000) { output in for byte in block { output.append(byte) } }
                    try await connection.send { parts throws(IOCPError) in
                        try parts.append(block)
                        try parts.append(block)
                    }
                }
            } use: { _, port, _ in
                let peer = try Peer.connect(port: port, receiveBufferBytes: 4_096)
                try await Task.sleep(for: .milliseconds(50))
                let all = try peer.receive(rounds * 64_002 + 1)
                #expect(all.count == rounds * 64_002)
                #expect(all.count { $0 == 7 } >= rounds * 64_000)
            }
        }

        @Test("a call whose time is over has taken nothing", arguments: testedDrivers)
        func timeout(driver: Driver) async throws {
            let found = BodyNotes<String>()
            try await withBodies(driver) { _, connection in
                let late = await failure { _ = try await connection.line(within: .milliseconds(30)) }
                found.add(late?.name ?? "nothing")
                found.add(try await connection.line() ?? "nothing")
                let early = await failure { _ = try await connection.line() }
                found.add("\(early?.operation == .framing) \(early?.name ?? "nothing")")
                _ = try await connection.receive { found.add(String(decoding: $0)) }
            } use: { _, port, _ in
                let peer = try Peer.connect(port: port)
                try peer.send("hal".utf8)
                try await eventually("the time is over") { found.all == ["ETIMEDOUT"] }
                try peer.send("lo\nrest".utf8)
                peer.finishSending()
                try await eventually("the end") { found.all.count == 4 }
            }
            #expect(found.all == ["ETIMEDOUT", "hallo", "true ENODATA", "rest"])
        }

        @Test("and loses nothing, whenever more arrives", arguments: testedDrivers)
        func timeouts(driver: Driver) async throws {
            let bytes = pattern(200_000).map { $0 == 10 ? 11 : $0 }
            let found = BodyNotes<[UInt8]>()
            try await withBodies(driver, { $0.workers = 1 }) { _, connection in
                var late = 0
                while true {
                    do {
                        guard
                            let line = try await connection.readUntil(
                                [10], maximumByteCount: 1 << 20, within: .microseconds(200))
                        else { return }
                        found.add(line)
                    } catch let error as IOCPError where error.code == ETIMEDOUT {
                        late += 1
                    }
                }
            } use: { _, port, _ in
                let peer = try Peer.connect(port: port)
                for start in stride(from: 0, to: bytes.count, by: 100) {
                    try peer.send(bytes[start..<min(start + 100, bytes.count)])
                    usleep(50)
                }
                try peer.send([10])
                try await eventually("the line") { found.all.count == 1 }
                #expect(found.all[0] == bytes)
            }
        }

        @Test("a stop within a piece is no error of the peer's", arguments: testedDrivers)
        func stopping(driver: Driver) async throws {
            let found = BodyNotes<String>()
            try await withBodies(driver, drainingFor: .seconds(5)) { _, connection in
                found.add("begun")
                let line = try await connection.line()
                found.add("\(line ?? "nil") \(connection.isStopping)")
                try await connection.send("good-bye")
            } use: { server, port, ledger in
                let peer = try Peer.connect(port: port)
                try peer.send("half a li".utf8)
                try await eventually("it reads") { found.all == ["begun"] }
                server.stop(drainingFor: .seconds(5))
                #expect(try peer.receive(8) == Array("good-bye".utf8) && peer.end() == .finished)
                peer.finishSending()
                try await server.wait()
                #expect(ledger.snapshot.closed == [.local])
            }
            #expect(found.all == ["begun", "nil true"])
        }

        @Test("a piece over its maximum is an error that says so", arguments: testedDrivers)
        func tooLarge(driver: Driver) async throws {
            try await withBodies(driver) { _, connection in
                _ = try await connection.readUntil([10], maximumByteCount: 100)
            } use: { _, port, ledger in
                let peer = try Peer.connect(port: port)
                try peer.send([UInt8](repeating: 65, count: 101))
                try await eventually("closed") { ledger.snapshot.closed.count == 1 }
                guard case .handlerThrew(let error) = ledger.snapshot.closed[0] else {
                    Issue.record("\(ledger.snapshot.closed)")
                    return
                }
                #expect(error.code == EMSGSIZE && error.operation == .framing)
            }
        }
    }
}

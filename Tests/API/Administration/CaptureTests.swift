import ChildProcesses
import Foundation
import IOCP
import IOCPTLS
import Testing

extension RealSockets {
    /// What is said on connections, read along through the admin socket.
    @Suite struct Captures {
        /// Answers the first byte of each message by a way of sending: the same 5,000 bytes by each.
        private static let everyWay: Behaviour = {
            let answer = pattern(5_000, seed: 9)
            var behaviour = Behaviour()
            behaviour.received = { (bytes: consuming ReceivedBytes, connection: Behaviour.Context) throws(IOCPError) in
                switch bytes.bytes.byte(at: 0) {
                case 0: try connection.send(answer)
                case 1: try connection.send(answer[0..<3].span.bytes, answer[3..<5_000].span.bytes)
                case 2: try connection.send { (parts: inout SendParts) throws(IOCPError) in
                    try parts.append(answer[0..<1_000].span.bytes)
                    try parts.append(answer[1_000..<5_000].span.bytes)
                }
                case 3: try connection.send(SharedBytes(answer))
                case 4: try connection.send(answer.lazy.map { $0 })
                default: try connection.send(bytes)
                }
            }
            return behaviour
        }()

        @Test("every way to send, and what was received, byte by byte; in the clear behind TLS", arguments: testedDrivers, [false, true])
        func everyByte(driver: Driver, secured: Bool) async throws {
            try await withTLS(driver, { _ in }, Self.everyWay) { server, port, _, _ in
                let address = try UnixAddress.forAdmin()
                let admin = try server.port.serveAdmin(at: address)
                let capture = try Captured(address)
                let answer = pattern(5_000, seed: 9), long = [UInt8](repeating: 5, count: 1) + pattern(100_000)
                let messages = (0..<5).map { [UInt8($0), 77] } + [long]
                let expected = (0..<5).flatMap { _ in answer } + long
                if secured {
                    try await withTLSClient(of: port) { _, connection in
                        for message in messages {
                            try await connection.send(message)
                            let count = message[0] < 5 ? 5_000 : message.count
                            _ = try await connection.readExactly(count)
                        }
                    }
                } else {
                    let peer = try Peer.connect(port: server.listeners[0].port)
                    for message in messages {
                        try peer.send(message)
                        _ = try peer.receive(message[0] < 5 ? 5_000 : message.count)
                    }
                    peer.finishSending()
                    _ = peer.end()
                }
                try await eventually("closed") { server.port.total(\.connections) == 0 }
                let (talks, totals) = try capture.end()
                let talk = try #require(talks.values.first)
                #expect(talks.count == 1 && totals.connections == 1 && totals.dropped_records == 0)
                #expect(talk.received == messages.flatMap { $0 } && talk.sent == expected && talk.isWhole)
                #expect(talk.closeReason != nil)
                admin.close()
            }
        }

        @Test("only those that are meant, from then on, and as many as were asked for", arguments: testedDrivers)
        func meant(driver: Driver) async throws {
            try await withServer(driver, { $0.workers = 1 }) { server, port, _ in
                let address = try UnixAddress.forAdmin()
                let admin = try server.port.serveAdmin(at: address)
                let before = try Peer.connect(port: port, source: 0x7f01_0101)
                try before.send([1, 2, 3])
                _ = try before.receive(3)
                let capture = try Captured(address, "peer=127.1.1.1 connections=3")
                let others = try (0..<5).map { _ in try Peer.connect(port: port) }
                let more = try (0..<5).map { _ in try Peer.connect(port: port, source: 0x7f01_0101) }
                for peer in others + [before] + more {
                    try peer.send([4, 5])
                    _ = try peer.receive(2)
                }
                let (talks, totals) = try capture.end()
                #expect(totals.connections == 3)
                #expect(Set(talks.values.map(\.peerPort)) == Set([before, more[0], more[1]].map(\.localPort)))
                #expect(talks.values.allSatisfy { $0.received == [4, 5] && $0.sent == [4, 5] && $0.closeReason == nil })
                admin.close()
            }
        }

        @Test("what finds no room is dropped, counted, and seen as a gap", arguments: testedDrivers)
        func dropped(driver: Driver) async throws {
            try await withServer(driver) { server, port, _ in
                let address = try UnixAddress.forAdmin()
                let admin = try server.port.serveAdmin(at: address)
                for settings in ["ring=65536", "rate=100000", "snap=100"] {
                    let capture = try Captured(address, settings)
                    let peer = try Peer.connect(port: port)
                    let bytes = pattern(4_000_000)
                    let writer = Thread { try? peer.send(bytes) }
                    writer.start()
                    #expect(try peer.receive(bytes.count) == bytes)
                    let (talks, totals) = try capture.end()
                    let kept = talks.values.reduce(0) { $0 + $1.received.count + $1.sent.count }
                    #expect(kept < 8_000_000, "\(settings)")
                    if settings == "snap=100" {
                        #expect(talks.values.allSatisfy { !$0.isWhole } && totals.dropped_records == 0)
                    } else {
                        #expect(kept + Int(totals.dropped_bytes) == 8_000_000, "\(settings)")
                    }
                }
                admin.close()
            }
        }

        @Test("it ends by itself after as many bytes or seconds, and when another one begins", arguments: testedDrivers)
        func bounded(driver: Driver) async throws {
            try await withServer(driver) { server, port, _ in
                let address = try UnixAddress.forAdmin()
                let admin = try server.port.serveAdmin(at: address)
                let peer = try Peer.connect(port: port)
                let short = try Captured(address, "bytes=20000")
                for _ in 0..<30 {
                    try peer.send(pattern(1_000))
                    _ = try peer.receive(1_000)
                }
                let ended = try short.end(byItself: true)
                #expect(ended.talks.values.allSatisfy { $0.received.count + $0.sent.count <= 20_000 && $0.isWhole })
                _ = try Captured(address, "seconds=1").end(byItself: true)
                let first = try Captured(address)
                let second = try Captured(address)
                #expect(try first.end(byItself: true).talks.isEmpty)
                try peer.send([1])
                _ = try peer.receive(1)
                #expect(try second.end().talks.values.first?.received == [1])
                admin.close()
            }
        }

        @Test("a stop, and the end of the socket, end it", arguments: testedDrivers)
        func stopped(driver: Driver) async throws {
            let address = try UnixAddress.forAdmin()
            for closesSocket in [false, true] {
                let server = try PlainEcho.server(driver)
                let port = try server.listen(host: "127.0.0.1", port: 0).port
                let admin = try server.port.serveAdmin(at: address)
                let peer = try Peer.connect(port: port)
                let capture = try Captured(address)
                try peer.send([1])
                _ = try peer.receive(1)
                if closesSocket { admin.close() } else { server.stop() }
                #expect(try capture.end(byItself: true).talks.values.first?.received == [1])
                server.stop()
                try await server.wait()
                admin.close()
            }
        }

        @Test("Wireshark reads the file, and follows each stream to the same bytes", arguments: testedDrivers)
        func wireshark(driver: Driver) async throws {
            try await withServer(driver) { server, port, _ in
                let folder = try TemporaryFolder()
                let path = folder.path + "/admin.sock", file = folder.path + "/talk.pcapng"
                let admin = try server.port.serveAdmin(at: try UnixAddress(path: path))
                let dual = try server.listen(host: "::1", port: 0).port
                let unix = try UnixAddress(path: folder.path + "/echo.sock")
                try server.listen(unix: unix)
                let command = try ChildProcess("iocp", ["capture", "--socket", path, "--output", file])
                try await eventually("it has begun") { FileManager.default.fileExists(atPath: file) }
                try await eventually("the head is written") { (try Data(contentsOf: URL(fileURLWithPath: file))).count > 0 }
                try await Task.sleep(for: .milliseconds(200))
                _ = try ask(try UnixAddress(path: path), "connections order=old")
                let text = "GET /a HTTP/1.1\r\n\r\n", long = String(repeating: "0123456789abcdef", count: 6_000)
                for peer in [try Peer.connect(port: port), try Peer.connectV6(port: dual), try Peer.connect(unix: unix)] {
                    for part in [text, long] {
                        try peer.send(Array(part.utf8))
                        #expect(try peer.receive(part.utf8.count) == Array(part.utf8))
                    }
                    peer.finishSending()
                    _ = peer.end()
                }
                try await eventually("closed") { server.port.total(\.connections) == 0 }
                command.signal(SIGINT)
                #expect(try command.end() == 0, "\(command.text(of: .errors))")
                #expect(command.text(of: .errors).contains("of 3 connections, 0 dropped"))
                #expect(try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int == 0o600)
                let expected = Array((text + long).utf8)
                for stream in 0..<3 {
                    let (there, back) = try Self.follow(file, stream)
                    #expect(there == expected && back == expected, "stream \(stream): \(there.count), \(back.count)")
                }
                // Nothing that Wireshark would mark: no wrong checksum, no gap, no segment out of order.
                let marked = try Self.tshark([
                    "-r", file, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-Y",
                    "tcp.checksum.status == 0 || ip.checksum.status == 0 || tcp.analysis.flags || _ws.malformed",
                ])
                #expect(marked.isEmpty, "\(marked)")
                let ends = try Self.tshark(["-r", file, "-Y", "tcp.flags.syn == 1 || tcp.flags.fin == 1 || tcp.flags.reset == 1"])
                #expect(ends.split(separator: "\n").count >= 9)
                admin.close()
            }
        }

        private static func tshark(_ arguments: [String]) throws -> String {
            let process = try ChildProcess("/usr/bin/tshark", arguments)
            #expect(try process.end() == 0, "\(process.text(of: .errors))")
            return process.text(of: .output)
        }

        /// The bytes of both directions, as tshark's follow-stream shows them: hexadecimal, those of the second node indented.
        private static func follow(_ file: String, _ stream: Int) throws -> (there: [UInt8], back: [UInt8]) {
            let text = try tshark(["-r", file, "-q", "-z", "follow,tcp,raw,\(stream)"])
            var sides: [[UInt8]] = [[], []]
            for line in text.split(separator: "\n") {
                let digits = line.drop { $0 == "\t" }
                guard digits.count % 2 == 0, digits.allSatisfy(\.isHexDigit) else { continue }
                var rest = digits[...]
                while !rest.isEmpty {
                    sides[line.first == "\t" ? 1 : 0].append(UInt8(rest.prefix(2), radix: 16)!)
                    rest = rest.dropFirst(2)
                }
            }
            return (sides[0], sides[1])
        }
    }
}

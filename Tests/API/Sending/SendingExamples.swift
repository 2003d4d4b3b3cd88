import IOCP
import Testing

// The examples in the comments of Sources/IOCP, line for line: `DocumentedCode` looks for each of them here.

extension RealSockets {
    @Suite struct SendingExamples {
        private func expectSent(
            _ expected: [UInt8], _ body: @escaping @Sendable (Way.Context) throws(IOCPError) -> Void
        ) async throws {
            var behaviour = Behaviour()
            behaviour.received = { _, connection throws(IOCPError) in try body(connection) }
            try await withServer(.epoll, { _ in }, behaviour) { _, port, _ in
                let peer = try Peer.connect(port: port)
                try peer.send([1])
                #expect(try peer.receive(expected.count) == expected)
            }
        }

        @Test func parts() async throws {
            let body = Array("<p>Hello</p>".utf8)
            let expected = Array("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n".utf8) + body
            try await expectSent(expected) { connection throws(IOCPError) in
                let page = body.span.bytes
                try connection.send { parts throws(IOCPError) in
                    try parts.append("HTTP/1.1 200 OK\r\ncontent-length: ")
                    try parts.append("\(page.byteCount)\r\n\r\n")
                    try parts.append(page)
                }
            }
        }

        @Test func sequences() async throws {
            let lines = ["one", "two"].map { Array($0.utf8) }
            try await expectSent(Array("one\ntwo".utf8)) { connection throws(IOCPError) in
                try connection.send(lines.joined(separator: [10]))
            }
        }

        @Test func twoParts() async throws {
            let head: [UInt8] = [1, 2], body: [UInt8] = [3]
            try await expectSent([1, 2, 3]) { connection throws(IOCPError) in
                let payload = body.span.bytes
                try connection.send(head.span.bytes, payload)
            }
        }

        @Test func inPlace() async throws {
            let count = 1234
            try await expectSent(Array("1234\n".utf8)) { connection throws(IOCPError) in
                try connection.send(capacity: 20) { output in
                    for digit in String(count).utf8 { output.append(digit) }
                    output.append(10)
                }
            }
        }

        @Test func integersInPlace() async throws {
            let kind: UInt16 = 0x0102, sequenceNumber: UInt32 = 0x0304_0506
            try await expectSent([1, 2, 3, 4, 5, 6]) { connection throws(IOCPError) in
                try connection.send(capacity: 6) { output in
                    output.append(bigEndian: kind)
                    output.append(bigEndian: sequenceNumber)
                }
            }
            try await expectSent([2, 1, 7, 0xFE, 0xFF, 0xFF, 0xFF]) { connection throws(IOCPError) in
                try connection.send(capacity: 7) { output in
                    output.append(littleEndian: kind)
                    output.append(littleEndian: UInt8(7))
                    output.append(littleEndian: Int32(-2))
                }
            }
        }

        @Test func sharedText() async throws {
            try await expectSent(Array("Grüße".utf8)) { connection throws(IOCPError) in
                try connection.send(SharedBytes("Grüße"))
            }
        }

        @Test func framed() async throws {
            let payload: [UInt8] = [5, 6]
            let framing = LengthPrefixed(.two)
            try await expectSent([0, 2, 5, 6]) { connection throws(IOCPError) in
                try connection.send(framed: payload, by: framing)
            }
        }
    }
}

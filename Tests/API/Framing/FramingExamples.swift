import IOCP
import Testing

// The examples in the comments of Sources/IOCP, line for line: `DocumentedCode` looks for each of them here.

/// One byte of type, one byte of length, the payload.
struct TypeLengthValue: Framing {
    let maximumByteCount = 257  // the type and the length are part of the frame

    func search(_ bytes: RawSpan, from searched: Int) throws(FramingError) -> FrameSearch {
        guard bytes.byteCount >= 2 else { return .unknown(searched: 0) }
        let end = 2 + Int(bytes.byte(at: 1))
        return end <= bytes.byteCount ? .frame(payload: 0..<end, end: end) : .incomplete(end: end)
    }
}

@Suite struct FramingExamples {
    @Test func ruleOfOnesOwn() {
        let result = cut([9, 2, 1, 2, 8, 0, 7], by: TypeLengthValue(), pieces: [1, 3, 9])
        #expect(result.frames == [[9, 2, 1, 2], [8, 0]] && result.unfinished == 1)
    }

    @Test func fixedSize() throws {
        let stream = [UInt8](repeating: 1, count: 50)
        var input = stream.span.bytes
        var total = 0
        var ticks = FrameBuffer(FixedSize(24))
        while let tick = try ticks.next(in: &input) { total += tick.count }
        #expect(total == 48)
    }

    @Test func lines() throws {
        let stream = Array("one\r\ntwo\n".utf8)
        var input = stream.span.bytes
        var names: [String] = []
        var lines = FrameBuffer(Lines(maximumByteCount: 1_000))
        while let line = try lines.next(in: &input) { names.append(String(decoding: line.bytes)) }
        #expect(names == ["one", "two"])
    }

    @Test func delimited() throws {
        let stream = Array("GET / HTTP/1.1\r\nHost: a\r\n\r\nbody".utf8)
        var input = stream.span.bytes
        var size = 0
        var heads = FrameBuffer(Delimited("\r\n\r\n", maximumByteCount: 8_192))
        if let head = try heads.next(in: &input) { size = head.count }
        let left = input.byteCount
        #expect(size == 23 && left == 4)
    }

    @Test func lengthPrefixed() throws {
        let stream: [UInt8] = [2, 0, 7, 7, 0, 0, 1, 0, 7]
        var input = stream.span.bytes
        var total = 0
        let framing = LengthPrefixed(.two, .littleEndian, maximumByteCount: 1_024)
        var frames = FrameBuffer(framing)
        while let frame = try frames.next(in: &input) { total += frame.count }
        #expect(total == 3)
    }

    /// Takes bytes as a connection does.
    private final class Sent {
        var bytes: [UInt8] = []
        func send(_ first: RawSpan, _ second: RawSpan, _ third: RawSpan) throws(IOCPError) {
            first.append(to: &bytes)
            second.append(to: &bytes)
            third.append(to: &bytes)
        }
    }

    @Test func prefix() throws {
        let connection = Sent()
        let framing = LengthPrefixed(.two)
        let bytes: [UInt8] = [1, 2, 3]
        let head = bytes.span.bytes.extracting(first: 1), body = bytes.span.bytes.extracting(last: 2)
        let prefix = try framing.prefix(forByteCount: head.byteCount + body.byteCount)
        try connection.send(prefix.bytes, head, body)
        #expect(connection.bytes == [0, 3, 1, 2, 3])
    }

    @Test func copies() {
        let stream = Array("1,2".utf8)
        let bytes = stream.span.bytes
        var everything: [UInt8] = [0]
        let copy = [UInt8](bytes)
        bytes.append(to: &everything)
        let text = String(decoding: bytes)
        #expect(copy == stream && everything == [0] + stream && text == "1,2")
        #expect([UInt8](bytes.extracting(first: 0)) == [] && String(decoding: bytes.extracting(first: 0)) == "")
    }

    @Test func reading() {
        let stream = Array("1,2 and ".utf8) + [0, 0, 0, 0, 0, 0, 0, 7]
        let bytes = stream.span.bytes
        let isReply = bytes.byte(at: 0) == 1
        let comma = bytes.firstOffset(of: 0x2C)
        let price = bytes.bigEndian(UInt64.self, at: 8)
        let later = bytes.firstOffset(of: 0x2C, from: 2)
        let behind = bytes.firstOffset(of: 0x2C, from: 9)
        let none = bytes.extracting(first: 0).firstOffset(of: 0x2C)
        #expect(bytes.first == 0x31 && bytes.extracting(first: 0).first == nil)
        #expect(!isReply && comma == 1 && later == nil && behind == nil && none == nil && price == 7)
    }

    @Test func integers() {
        let stream = [UInt8](0..<8) + [0xFF, 0xFE, 0, 0, 0, 0, 0, 7]
        let bytes = stream.span.bytes
        #expect(bytes.bigEndian(UInt64.self, at: 8) == 0xFFFE_0000_0000_0007)
        #expect(bytes.bigEndian(UInt16.self, at: 1) == 0x0102 && bytes.littleEndian(UInt16.self, at: 1) == 0x0201)
        #expect(bytes.bigEndian(Int16.self, at: 8) == -2 && bytes.littleEndian(Int32.self, at: 6) == -0x100_F8FA)
        #expect(bytes.bigEndian(UInt8.self, at: 15) == 7 && bytes.littleEndian(UInt8.self, at: 15) == 7)
    }

    @Test func integersThatAreNotAllThere() async {
        await #expect(processExitsWith: .failure) { _ = [UInt8](0..<8).span.bytes.bigEndian(UInt64.self, at: 1) }
        await #expect(processExitsWith: .failure) { _ = [UInt8](0..<8).span.bytes.littleEndian(UInt16.self, at: -1) }
    }

    @Test func text() {
        var length: Int?
        let header = Array("Content-Length: 42\t ".utf8)
        let line = header.span.bytes
        var rest = line  // "Content-Length: 42"
        if let name = rest.take(upTo: UInt8(ascii: ":")), name.isEqualIgnoringCase(to: "content-length") {
            length = rest.trimmingSpaces().number()
        }
        #expect(length == 42)
    }
}

@Suite struct TextInPlaceTests {
    @Test func taking() {
        let text = Array("a,,bc".utf8)
        var rest = text.span.bytes
        var taken: [String] = []
        while let part = rest.take(upTo: 0x2C) { taken.append(String(decoding: part)) }
        #expect(taken == ["a", ""] && String(decoding: rest) == "bc")
    }

    @Test(arguments: [("", ""), (" ", ""), ("\t a b\t", "a b"), ("a", "a"), ("\r a", "\r a")])
    func trimming(_ text: String, _ expected: String) {
        #expect(String(decoding: Array(text.utf8).span.bytes.trimmingSpaces()) == expected)
    }

    @Test(
        arguments: [
            ("0", 10, 0), ("007", 10, 7), ("9223372036854775807", 10, Int.max), ("7fffFFFFffffffff", 16, Int.max),
            ("Zz", 36, 1_295), ("101", 2, 5), ("9223372036854775808", 10, nil), ("8000000000000000", 16, nil),
            ("99999999999999999999999999", 10, nil), ("", 10, nil), ("-1", 10, nil), ("+1", 10, nil), (" 1", 10, nil),
            ("1a", 10, nil), ("2", 2, nil), ("g", 16, nil), ("@", 36, nil), ("\u{0}", 10, nil), ("\u{FF}", 36, nil),
        ] as [(String, Int, Int?)])
    func numbers(_ text: String, _ radix: Int, _ expected: Int?) {
        #expect(Array(text.utf8).span.bytes.number(radix: radix) == expected)
    }

    @Test func equality() {
        let word = Array("Grüße, Zoë [{".utf8)
        let bytes = word.span.bytes
        #expect(bytes.isEqual(to: "Grüße, Zoë [{") && !bytes.isEqual(to: "grüße, Zoë [{") && !bytes.isEqual(to: "Gr"))
        #expect(bytes.isEqualIgnoringCase(to: "gRüßE, zOë [{") && !bytes.isEqualIgnoringCase(to: "GRÜSSE, ZOË [{"))
        let isOther = !bytes.isEqualIgnoringCase(to: "grüße, zoë {[")  // [ and { differ by the bit of the case alone
        #expect(isOther)
        #expect(bytes.extracting(first: 0).isEqual(to: "") && bytes.extracting(first: 0).isEqualIgnoringCase(to: ""))
    }
}

import IOCP
import Testing

// The examples in the comments of Sources/IOCP, line for line: `DocumentedCode` looks for each of them here.

/// One byte of type, one byte of length, the payload.
struct TypeLengthValue: Framing {
    let maximumByteCount = 257  // the type and the length are part of the frame
    let overheadByteCount = 0

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
        let stream = Array("1,2".utf8)
        let bytes = stream.span.bytes
        let isReply = bytes.byte(at: 0) == 1
        let comma = bytes.firstOffset(of: 0x2C)
        let later = bytes.firstOffset(of: 0x2C, from: 2)
        let behind = bytes.firstOffset(of: 0x2C, from: 9)
        let none = bytes.extracting(first: 0).firstOffset(of: 0x2C)
        #expect(!isReply && comma == 1 && later == nil && behind == nil && none == nil)
    }
}

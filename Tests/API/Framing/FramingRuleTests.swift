import Glibc
import IOCP
import Testing

/// Streams that each rule takes, and streams that it refuses.
@Suite struct FramingRuleTests {
    private func failure(_ stream: [UInt8], _ rule: some Framing) -> FramingError? {
        cut(stream, by: rule, pieces: [stream.count]).failure
    }

    // MARK: Length prefixes

    @Test("a length over the maximum, over Int, and the largest that is allowed")
    func lengths() {
        let eight = LengthPrefixed(.eight)
        #expect(eight.maximumByteCount == 65_536)
        let all = [UInt8](repeating: 255, count: 8)
        #expect(failure(all, eight) == .frameTooLarge(byteCount: .max, maximum: 65_536))
        #expect(
            failure([128] + [UInt8](repeating: 0, count: 7), eight)
                == .frameTooLarge(byteCount: 1 << 63, maximum: 65_536))
        let four = LengthPrefixed(.four, maximumByteCount: 3)
        #expect(failure([0, 0, 0, 4], four) == .frameTooLarge(byteCount: 4, maximum: 3))
        #expect(cut([0, 0, 0, 3, 7, 8, 9], by: four, pieces: [7]).frames == [[7, 8, 9]])
        #expect(cut([0, 0, 0, 0], by: four, pieces: [4]) == Cut(frames: [[]], encoded: [[0, 0, 0, 0]]))
    }

    @Test("a length that counts its prefix is no smaller than that")
    func countedLengths() {
        let two = LengthPrefixed(.two, countsPrefix: true)
        #expect(failure([0, 1], two) == .lengthTooSmall(1, minimum: 2))
        #expect(failure([0, 0], two) == .lengthTooSmall(0, minimum: 2))
        #expect(cut([0, 2, 0, 3, 9], by: two, pieces: [5]).frames == [[], [9]])
        let varint = LengthPrefixed(.varint, countsPrefix: true)
        #expect(failure([0], varint) == .lengthTooSmall(0, minimum: 1))
    }

    @Test("a varint has one encoding and 64 bits")
    func varints() {
        let rule = LengthPrefixed(.varint, maximumByteCount: 300)
        #expect(failure([0x80, 0x00], rule) == .varintOverlong)
        #expect(failure([0x81, 0x80, 0x00], rule) == .varintOverlong)
        let nine = [UInt8](repeating: 0xFF, count: 9)
        #expect(failure(nine + [0x01], rule) == .frameTooLarge(byteCount: .max, maximum: 300))
        #expect(failure(nine + [0x02], rule) == .varintTooLarge)
        #expect(failure(nine + [0x80], rule) == .varintTooLarge)
        #expect(failure(nine + [0x00], rule) == .varintOverlong)
        #expect(cut(nine, by: rule, pieces: [9]) == Cut(unfinished: 9))
        #expect(cut([0xAC, 0x02] + [UInt8](repeating: 5, count: 300), by: rule, pieces: [302]).frames.count == 1)
    }

    @Test("a prefix is read back, for every width, order and count", arguments: FramingStyle.allCases)
    func prefixes(style: FramingStyle) throws {
        guard let rule = style.prefixed else { return }
        for count in 0...FramingStyle.maximum {
            let prefix = try rule.prefix(forByteCount: count)
            let stream = [UInt8](prefix.bytes) + [UInt8](repeating: 1, count: count)
            #expect(prefix.count == stream.count - count)
            #expect(cut(stream, by: rule, pieces: [stream.count]).frames == [[UInt8](repeating: 1, count: count)])
        }
    }

    @Test("a payload that the width cannot count is refused, and the largest is not")
    func largestPayloads() throws {
        func refused(_ rule: LengthPrefixed, _ count: Int) -> String? {
            refusal { () throws(IOCPError) in _ = try rule.prefix(forByteCount: count) }?.name
        }
        for (width, most) in [(LengthPrefixed.Width.one, 255), (.two, 65_535), (.four, 4_294_967_295)] {
            #expect(refused(LengthPrefixed(width), most) == nil)
            #expect(refused(LengthPrefixed(width), most + 1) == "EOVERFLOW")
            let own = width.rawValue
            #expect(refused(LengthPrefixed(width, countsPrefix: true), most - own) == nil)
            #expect(refused(LengthPrefixed(width, countsPrefix: true), most - own + 1) == "EOVERFLOW")
        }
        for width in [LengthPrefixed.Width.eight, .varint] {
            #expect(refused(LengthPrefixed(width, countsPrefix: true), .max) == nil)
        }
        #expect(
            [UInt8](try LengthPrefixed(.varint).prefix(forByteCount: .max).bytes)
                == [255, 255, 255, 255, 255, 255, 255, 255, 127])
        // 127 counts to 128 with one byte, which takes two.
        #expect([UInt8](try LengthPrefixed(.varint, countsPrefix: true).prefix(forByteCount: 127).bytes) == [129, 1])
        #expect([UInt8](try LengthPrefixed(.four, .littleEndian).prefix(forByteCount: 258).bytes) == [2, 1, 0, 0])
    }

    // MARK: Ends

    @Test("a line ends with LF, and a CR before it is stripped, once")
    func lines() {
        let rule = Lines(maximumByteCount: 4)
        let text = Array("a\r\n\n\r\nb\r\r\nc\rd\n1234\r\n1234\nrest".utf8)
        let result = cut(text, by: rule, pieces: [text.count])
        #expect(
            result.frames.map { String(decoding: $0, as: UTF8.self) }
                == ["a", "", "", "b\r", "c\rd", "1234", "1234"])
        #expect(result.unfinished == 4)
        #expect(failure(Array("12345\n".utf8), rule) == .frameTooLarge(byteCount: 5, maximum: 4))
        #expect(failure(Array("12345\r\n".utf8), rule) == .frameTooLarge(byteCount: nil, maximum: 4))
        #expect(failure(Array("123456".utf8), rule) == .frameTooLarge(byteCount: nil, maximum: 4))
    }

    @Test("strict lines refuse a line feed alone")
    func strictLines() {
        let rule = Lines(.carriageReturnLineFeed)
        #expect(failure(Array("a\r\nb\n".utf8), rule) == .lineFeedAlone)
        #expect(failure(Array("\n".utf8), rule) == .lineFeedAlone)
        #expect(cut(Array("a\rb\r\n".utf8), by: rule, pieces: [5]).frames == [Array("a\rb".utf8)])
    }

    @Test("a delimiter may begin within itself")
    func delimiters() {
        let rule = Delimited("aab", maximumByteCount: 5)
        #expect(cut(Array("aaaabxaab".utf8), by: rule, pieces: [9]).frames == [Array("aa".utf8), Array("x".utf8)])
        #expect(cut(Array("12345aab".utf8), by: rule, pieces: [8]).frames == [Array("12345".utf8)])
        #expect(failure(Array("123456aab".utf8), rule) == .frameTooLarge(byteCount: nil, maximum: 5))
    }

    @Test("bounds of the application's own trap")
    func bounds() async {
        await #expect(processExitsWith: .failure) { _ = FixedSize(0) }
        await #expect(processExitsWith: .failure) { _ = Lines(maximumByteCount: 1 << 31) }
        await #expect(processExitsWith: .failure) { _ = Delimited([]) }
        await #expect(processExitsWith: .failure) { _ = Delimited([UInt8](repeating: 1, count: 17)) }
        await #expect(processExitsWith: .failure) { _ = LengthPrefixed(.one, maximumByteCount: 0) }
    }

    // MARK: Errors

    @Test("an error names the size, the maximum and what helps")
    func words() {
        let sentences: [(FramingError, Int32, String)] = [
            (
                .frameTooLarge(byteCount: 70_000, maximum: 65_536), EMSGSIZE,
                "the peer's frame is too large: it has 70000 bytes, and 65536 are allowed: raise the framing's maximum "
                    + "if such frames are meant"
            ),
            (
                .frameTooLarge(byteCount: nil, maximum: 10), EMSGSIZE,
                "the peer's frame is too large: it has more than the 10 bytes that are allowed: raise the framing's "
                    + "maximum if such frames are meant"
            ),
            (
                .lengthTooSmall(1, minimum: 4), EBADMSG,
                "the peer's bytes are no frame: its length is 1, and its prefix alone has 4 bytes: check that both ends "
                    + "use the same framing"
            ),
            (
                .varintTooLarge, EBADMSG,
                "the peer's bytes are no frame: its length has more than 64 bits: check that both ends use the same "
                    + "framing"
            ),
            (
                .varintOverlong, EBADMSG,
                "the peer's bytes are no frame: its length is a varint of more bytes than it needs: check that both "
                    + "ends use the same framing"
            ),
            (
                .lineFeedAlone, EBADMSG,
                "the peer's bytes are no frame: a line feed has no carriage return before it: check that both ends use "
                    + "the same framing"
            ),
            (
                .malformed("type 9 \u{1B}"), EBADMSG,
                #"the peer's bytes are no frame: type 9 \u{1b}: check that both ends use the same framing"#
            ),
            (
                .inconsistent, EPROTO,
                "the framing contradicts itself: its search named a frame outside of the bytes that it was given: mend "
                    + "the search of the framing"
            ),
            (
                .payloadTooLarge(byteCount: 300, maximum: 255), EOVERFLOW,
                "the payload does not fit the length prefix: it has 300 bytes, and the prefix counts to 255: use a wider "
                    + "prefix, or send it in parts"
            ),
        ]
        for (error, code, text) in sentences {
            #expect(error.description == text)
            #expect(IOCPError(error).operation == .framing && IOCPError(error).code == code)
        }
    }
}

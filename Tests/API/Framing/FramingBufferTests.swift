import IOCP
import Testing

/// The memory of a buffer, its cost, and its state after an error.
@Suite struct FramingBufferTests {
    /// Where a frame lies in the received bytes, or nil if elsewhere.
    private func places<Rule: Framing>(_ piece: [UInt8], _ buffer: inout FrameBuffer<Rule>) throws -> [Range<Int>?] {
        var places: [Range<Int>?] = []
        let bytes = piece.span.bytes
        var input = bytes
        while let frame = try buffer.next(in: &input) { places.append(bytes.byteOffsets(of: frame.encoded)) }
        return places
    }

    @Test("a whole frame lies in the received bytes, a split one does not, and nothing is kept between frames")
    func inPlace() throws {
        var buffer = FrameBuffer(LengthPrefixed(.one))
        #expect(try places([2, 7, 7, 1, 8, 3, 9], &buffer) == [0..<3, 3..<5])
        #expect(buffer.unfinishedByteCount == 2)
        #expect(try places([9, 9, 1, 8], &buffer) == [nil, 2..<4])
        #expect(buffer.unfinishedByteCount == 0)
    }

    @Test("whole frames take no memory at all")
    func noMemory() throws {
        var buffer = FrameBuffer(Lines())
        for _ in 0..<100 { #expect(try places(Array("one\ntwo\n".utf8), &buffer).count == 2) }
        #expect(buffer.memoryByteCount == 0)
    }

    @Test("a split frame stays what it is when the buffer goes on")
    func shared() throws {
        var buffer = FrameBuffer(LengthPrefixed(.one))
        #expect(try places([3, 1], &buffer).isEmpty)
        let piece: [UInt8] = [2, 3, 4, 50]
        let rest: [UInt8] = [51, 52, 53]
        var input = piece.span.bytes
        guard let frame = try buffer.next(in: &input) else {
            Issue.record("no frame")
            return
        }
        // The same memory would be taken for the next one.
        #expect(try places([UInt8](input), &buffer).isEmpty)
        #expect(try places(rest, &buffer) == [nil])
        let held = [UInt8](frame.bytes)
        #expect(held == [1, 2, 3])
    }

    // MARK: Cost

    /// Counts the bytes that a rule was given to search, but for those before `searched`.
    final class Meter: @unchecked Sendable {
        // @unchecked: used by one test, on one thread.
        var searchedBytes = 0
        var calls = 0
    }

    struct Metered<Rule: Framing>: Framing {
        let rule: Rule
        let meter: Meter
        var maximumByteCount: Int { rule.maximumByteCount }
        var overheadByteCount: Int { rule.overheadByteCount }
        func search(_ bytes: RawSpan, from searched: Int) throws(FramingError) -> FrameSearch {
            meter.searchedBytes += bytes.byteCount - searched
            meter.calls += 1
            return try rule.search(bytes, from: searched)
        }
    }

    /// One frame of 60,000 bytes, byte by byte. Searching anew at each byte would be 1,800,000,000.
    private func expectLinear<Rule: Framing>(_ rule: Rule, _ stream: [UInt8], searched: Int, calls: Int) throws {
        let meter = Meter()
        var buffer = FrameBuffer(Metered(rule: rule, meter: meter))
        var capacities: [Int] = []
        var result = Cut()
        for byte in stream {
            receive([byte], &buffer, &result)
            let capacity = buffer.memoryByteCount
            if capacities.last != capacity { capacities.append(capacity) }
        }
        #expect(result.encoded == [stream])
        #expect(meter.searchedBytes <= searched, "\(meter.searchedBytes) bytes searched")
        #expect(meter.calls <= calls, "\(meter.calls) calls")
        // Each growth copies what was there: together no more than a few times the frame.
        #expect(capacities.count <= 12 && capacities.reduce(0, +) < 4 * stream.count, "\(capacities)")
    }

    @Test("a peer that sends byte by byte costs linear work")
    func linear() throws {
        let count = 60_000
        let body = [UInt8](repeating: 0x61, count: count)
        for width in [LengthPrefixed.Width.four, .eight, .varint] {
            let rule = LengthPrefixed(width)
            let stream = [UInt8](try rule.prefix(forByteCount: count).bytes) + body
            try expectLinear(rule, stream, searched: count + 100, calls: 10)
        }
        try expectLinear(Lines(), body + [10], searched: 2 * count, calls: count + 1)
        try expectLinear(FixedSize(count), body, searched: count + 1, calls: 2)
        // The worst delimiter: each byte could begin it.
        let delimiter = [UInt8](repeating: 0x61, count: 15) + [0x62]
        try expectLinear(Delimited(delimiter), body + delimiter, searched: 17 * count, calls: count + 20)
    }

    /// A first byte of 0 begins a line, another one a frame of three bytes. Meters what three bytes are searched from.
    struct Mixed: Framing {
        let maximumByteCount = 100
        let overheadByteCount = 1
        let meter: Meter
        func search(_ bytes: RawSpan, from searched: Int) throws(FramingError) -> FrameSearch {
            if bytes.byte(at: 0) != 0 {
                meter.searchedBytes += searched
                return bytes.byteCount < 3 ? .incomplete(end: 3) : .frame(payload: 0..<3, end: 3)
            }
            guard let end = bytes.firstOffset(of: 10, from: searched) else {
                return .unknown(searched: bytes.byteCount)
            }
            return .frame(payload: 0..<end, end: end + 1)
        }
    }

    @Test("a search of one frame does not begin where that of the last one ended")
    func searchedAnew() {
        let meter = Meter()
        let stream: [UInt8] = [0, 9, 9, 9, 9, 10, 1, 2, 3, 0, 10]
        let result = cut(stream, by: Mixed(meter: meter), pieces: [4, 1, 2, 1, 1, 1, 1])
        #expect(result.frames == [[0, 9, 9, 9, 9], [1, 2, 3], [0]])
        #expect(meter.searchedBytes == 0)
    }

    /// Allows less at each call.
    struct Shrinking: Framing {
        let meter: Meter
        let overheadByteCount = 0
        var maximumByteCount: Int {
            meter.calls += 1
            return 100 - meter.calls
        }
        func search(_ bytes: RawSpan, from searched: Int) throws(FramingError) -> FrameSearch {
            .unknown(searched: bytes.byteCount)
        }
    }

    @Test("a rule that lowers its bounds is refused, and nothing traps", arguments: [1, 10, 60])
    func shrinking(size: Int) {
        let stream = [UInt8](repeating: 1, count: 200)
        let pieces = [Int](repeating: size, count: 200)
        if case .frameTooLarge? = cut(stream, by: Shrinking(meter: Meter()), pieces: pieces).failure { return }
        Issue.record("not refused")
    }

    // MARK: Memory

    @Test("memory grows with what came, not with what was announced, and never over the bound")
    func bound() throws {
        for (rule, stream) in [
            (LengthPrefixed(.four), [0, 1, 0, 0] + [UInt8](repeating: 1, count: 65_536)),
            (LengthPrefixed(.four, maximumByteCount: 1_000), [0, 0, 3, 232] + [UInt8](repeating: 1, count: 1_000)),
        ] {
            var buffer = FrameBuffer(rule)
            var result = Cut()
            receive(Array(stream[..<5]), &buffer, &result)
            #expect(buffer.memoryByteCount < 128)
            var most = 0
            for piece in stride(from: 5, to: stream.count, by: 9) {
                receive(Array(stream[piece..<min(piece + 9, stream.count)]), &buffer, &result)
                most = max(most, buffer.memoryByteCount)
                #expect(buffer.memoryByteCount <= 2 * max(buffer.unfinishedByteCount, 64) + 32)
            }
            #expect(result.frames.count == 1 && most >= 500 && most <= rule.maximumByteCount + 4 + 32)
            #expect(buffer.memoryByteCount <= 512, "a large frame's memory is given back once there is no frame")
        }
    }

    @Test("a frame that is refused takes no memory, and gives back what there was")
    func refused() throws {
        var buffer = FrameBuffer(LengthPrefixed(.four, maximumByteCount: 10))
        var result = Cut()
        receive([0, 0, 0], &buffer, &result)
        #expect(buffer.memoryByteCount > 0 && result.failure == nil)
        receive([11] + [UInt8](repeating: 1, count: 100_000), &buffer, &result)
        #expect(result.failure == .frameTooLarge(byteCount: 11, maximum: 10))
        #expect(buffer.memoryByteCount == 0 && buffer.unfinishedByteCount == 0)
        // From now on nothing else is said, and nothing is kept.
        result.failure = nil
        receive([0, 0, 0, 1, 5], &buffer, &result)
        #expect(result == Cut(failure: .frameTooLarge(byteCount: 11, maximum: 10)))
        #expect(buffer.memoryByteCount == 0)
    }

    @Test("an endless line is refused at the bound, in one receive or in many", arguments: [1, 7, 100, 1 << 20])
    func endless(size: Int) throws {
        var buffer = FrameBuffer(Lines(maximumByteCount: 1_000))
        var result = Cut()
        var sent = 0
        while result.failure == nil, sent < 10_000_000 {
            receive([UInt8](repeating: 0x61, count: size), &buffer, &result)
            sent += size
            #expect(buffer.memoryByteCount <= 1_002 + 32)
        }
        #expect(result.failure == .frameTooLarge(byteCount: nil, maximum: 1_000))
        #expect(sent < 1_002 + size)
    }

    @Test("small memory is kept for the next split frame")
    func kept() throws {
        var buffer = FrameBuffer(LengthPrefixed(.one))
        var result = Cut()
        for _ in 0..<10 {
            receive([100] + [UInt8](repeating: 1, count: 50), &buffer, &result)
            receive([UInt8](repeating: 1, count: 50), &buffer, &result)
            #expect((101...512).contains(buffer.memoryByteCount))
        }
        #expect(result.frames.count == 10)
    }

    // MARK: Errors and leaving

    enum Mine: Error { case enough }

    @Test("an error of the loop's body passes; what is left is in the input, and the buffer goes on with it")
    func passThrough() throws {
        var buffer = FrameBuffer(LengthPrefixed(.one))
        _ = try places([3, 1], &buffer)
        let piece: [UInt8] = [2, 3, 1, 50, 1, 51, 2, 60]
        var input = piece.span.bytes
        var seen: [[UInt8]] = []
        func read(_ input: inout RawSpan, most: Int) throws {
            var left = most
            while let frame = try buffer.next(in: &input) {
                seen.append([UInt8](frame.bytes))
                left -= 1
                if left == 0 { throw Mine.enough }
            }
        }
        for left in [6, 4, 2] {
            let before = seen.count
            var passed = false
            do { try read(&input, most: 1) } catch is Mine { passed = true }
            #expect(passed && seen.count == before + 1)
            let count = input.byteCount
            #expect(count == left)
        }
        try read(&input, most: 1)
        let count = input.byteCount
        #expect(count == 0 && buffer.unfinishedByteCount == 2)
        try #require(try places([61], &buffer).count == 1)
        #expect(seen == [[1, 2, 3], [50], [51]])
    }

    @Test("another rule cuts what follows")
    func anotherRule() throws {
        var lines = FrameBuffer(Lines())
        var bodies = FrameBuffer(FixedSize(4))
        let stream = Array("head\r\n1234more\r\n".utf8)
        var input = stream.span.bytes
        var parts: [String] = []
        if let head = try lines.next(in: &input) { parts.append(String(decoding: head.bytes)) }
        if let body = try bodies.next(in: &input) { parts.append(String(decoding: body.bytes)) }
        if let more = try lines.next(in: &input) { parts.append(String(decoding: more.bytes)) }
        #expect(parts == ["head", "1234", "more"])
        let count = input.byteCount
        #expect(count == 0)
    }

    @Test("what came of the last frame can be had")
    func unfinished() throws {
        var buffer = FrameBuffer(Lines())
        #expect(buffer.takeUnfinished() == [])
        #expect(try places(Array("a\nlast".utf8), &buffer).count == 1)
        #expect(try places(Array(" line".utf8), &buffer).isEmpty)
        #expect(buffer.unfinishedByteCount == 9)
        #expect(buffer.takeUnfinished() == Array("last line".utf8))
        #expect(buffer.unfinishedByteCount == 0 && buffer.memoryByteCount == 0)
        #expect(try places(Array("b\n".utf8), &buffer) == [0..<2])
    }

    // MARK: Wrong rules

    /// Gives the same answers whatever the bytes are.
    struct Wrong: Framing {
        var maximumByteCount = 100
        var overheadByteCount = 0
        var first: FrameSearch
        var second: FrameSearch?
        func search(_ bytes: RawSpan, from searched: Int) throws(FramingError) -> FrameSearch {
            bytes.byteCount > 4 ? (second ?? first) : first
        }
    }

    @Test("a rule that contradicts itself is refused, and nothing traps")
    func wrongRules() {
        let stream = [UInt8](repeating: 1, count: 8)
        for first in [
            FrameSearch.frame(payload: 0..<0, end: 0), .frame(payload: 0..<5, end: 5), .frame(payload: -1..<1, end: 1),
            .frame(payload: 0..<3, end: 2), .frame(payload: 0..<0, end: -1), .incomplete(end: 4),
            .incomplete(end: .min), .unknown(searched: 5), .unknown(searched: -1),
        ] {
            #expect(cut(stream, by: Wrong(first: first), pieces: [4]).failure == .inconsistent, "\(first)")
        }
        // A frame that ends before bytes in which none ended.
        let late = Wrong(first: .unknown(searched: 0), second: .frame(payload: 0..<4, end: 4))
        #expect(cut(stream, by: late, pieces: [4, 4]).failure == .inconsistent)
        for bounds in [(0, 0), (-5, 0), (.max, .max), (.min, -1)] {
            let wrong = Wrong(
                maximumByteCount: bounds.0, overheadByteCount: bounds.1, first: .unknown(searched: 0))
            let failure = cut(stream, by: wrong, pieces: [4, 4]).failure
            #expect(bounds.0 == .max ? failure == nil : failure == .frameTooLarge(byteCount: nil, maximum: bounds.0))
        }
        #expect(
            cut(stream, by: Wrong(first: .incomplete(end: .max)), pieces: [4]).failure
                == .frameTooLarge(byteCount: nil, maximum: 100))
    }
}

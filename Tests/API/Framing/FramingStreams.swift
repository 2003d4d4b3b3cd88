import IOCP

/// A stream that a rule cut: the same however the stream arrived.
struct Cut: Equatable, CustomStringConvertible {
    var frames: [[UInt8]] = []
    var encoded: [[UInt8]] = []
    var failure: FramingError?
    /// Bytes behind the last frame; 0 once it failed.
    var unfinished = 0

    var description: String { "\(frames) \(failure.map { "\($0)" } ?? "unfinished \(unfinished)")" }
}

/// Lets a buffer see a stream in pieces of the given sizes, the last of which may be short. The pieces are memory of
/// their own, as receives are.
func cut<Rule: Framing>(_ stream: [UInt8], by rule: Rule, pieces: [Int]) -> Cut {
    var buffer = FrameBuffer(rule)
    var result = Cut()
    var offset = 0
    for size in pieces where result.failure == nil {
        let piece = Array(stream[offset..<min(stream.count, offset + size)])
        offset += piece.count
        receive(piece, &buffer, &result)
    }
    result.unfinished = buffer.unfinishedByteCount
    return result
}

func receive<Rule: Framing>(_ piece: [UInt8], _ buffer: inout FrameBuffer<Rule>, _ result: inout Cut) {
    var input = piece.span.bytes
    do throws(IOCPError) {
        while let frame = try buffer.next(in: &input) {
            result.frames.append([UInt8](frame.bytes))
            result.encoded.append([UInt8](frame.encoded))
        }
    } catch {
        result.failure = buffer.failure
    }
}

/// The same by the plainest code there is, over the whole stream at once.
struct Reference {
    let stream: [UInt8]
    private(set) var result = Cut()

    private init(_ stream: [UInt8]) { self.stream = stream }

    /// A step looks at the bytes from `start` and returns the payload and the end, or nil if more bytes are needed.
    private mutating func run(_ step: (Int) throws(FramingError) -> (payload: Range<Int>, end: Int)?) -> Cut {
        var start = 0
        do throws(FramingError) {
            while start < stream.count, let (payload, end) = try step(start) {
                result.frames.append(Array(stream[payload]))
                result.encoded.append(Array(stream[start..<end]))
                start = end
            }
            result.unfinished = stream.count - start
        } catch {
            result.failure = error
        }
        return result
    }

    static func cut(_ stream: [UInt8], by rule: FixedSize) -> Cut {
        var reference = Reference(stream)
        return reference.run { start in
            let end = start + rule.maximumByteCount
            return end <= stream.count ? (start..<end, end) : nil
        }
    }

    static func cut(_ stream: [UInt8], by rule: Lines) -> Cut {
        let maximum = rule.maximumByteCount
        var reference = Reference(stream)
        return reference.run { start throws(FramingError) in
            for index in start..<stream.count {
                if index - start >= maximum + 2 { break }
                if stream[index] != 10 { continue }
                let returned = index > start && stream[index - 1] == 13
                if !returned, rule.ending == .carriageReturnLineFeed { throw .lineFeedAlone }
                let end = returned ? index - 1 : index
                if end - start > maximum {
                    throw .frameTooLarge(byteCount: UInt64(end - start), maximum: maximum)
                }
                return (start..<end, index + 1)
            }
            if stream.count - start >= maximum + 2 { throw .frameTooLarge(byteCount: nil, maximum: maximum) }
            return nil
        }
    }

    static func cut(_ stream: [UInt8], by rule: Delimited, _ delimiter: [UInt8]) -> Cut {
        var reference = Reference(stream)
        return reference.run { start throws(FramingError) in
            var end = start
            while end + delimiter.count <= stream.count, end - start <= rule.maximumByteCount {
                if Array(stream[end..<end + delimiter.count]) == delimiter {
                    return (start..<end, end + delimiter.count)
                }
                end += 1
            }
            if end - start > rule.maximumByteCount {
                throw .frameTooLarge(byteCount: nil, maximum: rule.maximumByteCount)
            }
            return nil
        }
    }

    static func cut(_ stream: [UInt8], by rule: LengthPrefixed) -> Cut {
        var reference = Reference(stream)
        return reference.run { start throws(FramingError) in
            guard let (length, prefix) = try length(stream[start...], rule) else { return nil }
            let own = rule.countsPrefix ? UInt64(prefix) : 0
            if length < own { throw .lengthTooSmall(length, minimum: prefix) }
            if length - own > UInt64(rule.maximumByteCount) {
                throw .frameTooLarge(byteCount: length - own, maximum: rule.maximumByteCount)
            }
            let payload = start + prefix
            let end = payload + Int(length - own)
            return end <= stream.count ? (payload..<end, end) : nil
        }
    }

    private static func length(_ bytes: ArraySlice<UInt8>, _ rule: LengthPrefixed) throws(FramingError)
        -> (UInt64, Int)?
    {
        guard rule.width == .varint else {
            let prefix = bytes.prefix(rule.width.rawValue)
            if prefix.count < rule.width.rawValue { return nil }
            let digits = rule.order == .bigEndian ? Array(prefix) : prefix.reversed()
            return (digits.reduce(0) { $0 << 8 | UInt64($1) }, prefix.count)
        }
        let groups = bytes.prefix { $0 >= 128 }
        if groups.count >= 10 { throw .varintTooLarge }
        if groups.endIndex == bytes.endIndex { return nil }
        let last = bytes[groups.endIndex]
        if groups.count == 9, last > 1 { throw .varintTooLarge }
        if !groups.isEmpty, last == 0 { throw .varintOverlong }
        return (groups.reversed().reduce(UInt64(last)) { $0 << 7 | UInt64($1 - 128) }, groups.count + 1)
    }
}

#if Command
import IOCP

/// The frames of a fan-out: each begins with its sequence number, 8 bytes in network order, and goes on with the
/// pattern at a phase of that number.
struct LoadFrames {
    typealias Sequence = UInt64

    /// Published until every subscriber has one: only then is it known that the server has them all.
    static let greeting: Sequence = 0
    static let headerBytes = 8

    private let pattern: LoadPattern
    /// The frame that is sent; empty on workers that publish none.
    private var scratch: [UInt8] = []

    init(_ pattern: LoadPattern) {
        self.pattern = pattern
    }

    var frameBytes: Int { pattern.messageBytes }

    mutating func send(_ sequence: Sequence, on connection: IocpContext<Void>) throws(IOCPError) {
        if scratch.isEmpty { scratch = Array(repeating: 0, count: frameBytes) }
        pattern.copy(pattern.phase(ofNumber: sequence), to: &scratch)
        for position in 0..<LoadFrames.headerBytes {
            scratch[position] = UInt8(truncatingIfNeeded: sequence >> (8 * (LoadFrames.headerBytes - 1 - position)))
        }
        try connection.send(scratch)
    }

    /// What one subscriber has of the frames.
    struct Reader {
        private var expected = LoadFrames.greeting
        private var current = LoadFrames.greeting
        private var position: Int32 = 0

        enum Received {
            case part
            /// A frame is whole.
            case frame(Sequence)
            /// The first thing that differs, in words.
            case wrong(String)
        }

        /// Compares bytes with what is due, up to the end of a frame at most; moves `offset` on.
        mutating func receive(_ bytes: RawSpan, _ offset: inout Int, _ frames: borrowing LoadFrames) -> Received {
            while position < LoadFrames.headerBytes, offset < bytes.byteCount {
                let byte = unsafe bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self)
                current = (position == 0 ? 0 : current << 8) | Sequence(byte)
                position += 1
                offset += 1
                if Int(position) == LoadFrames.headerBytes, let fault = outOfTurn { return .wrong(fault) }
            }
            let end = min(bytes.byteCount, offset + frames.frameBytes - Int(position))
            if end > offset {
                let part = bytes.extracting(offset..<end)
                let phase = frames.pattern.phase(ofNumber: current)
                if let difference = frames.pattern.difference(part, phase, at: Int(position)) {
                    return .wrong("byte \(difference.position) of frame \(current) \(difference.words)")
                }
                offset = end
                position += Int32(part.byteCount)
            }
            guard Int(position) == frames.frameBytes else { return .part }
            position = 0
            expected = current + 1
            return .frame(current)
        }

        /// A greeting may come again; every other frame comes once, and in turn.
        private var outOfTurn: String? {
            if current == expected || (current == LoadFrames.greeting && expected == 1) { return nil }
            return current > expected
                ? "frame \(current) came instead of \(expected): the server dropped or cut \(current - expected)"
                : "frame \(current) came instead of \(expected)"
        }
    }
}
#endif

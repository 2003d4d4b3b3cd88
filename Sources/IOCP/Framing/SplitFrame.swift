/// The beginning of a frame that was split over receives.
///
/// Memory grows with the bytes that came, not with the length that a peer announced: by doubling, from 64 bytes up to the
/// bound. So a byte is copied a constant number of times on average, however the stream is split.
@usableFromInline
struct SplitFrame: Sendable {
    @usableFromInline private(set) var bytes: [UInt8] = []
    /// How many bytes need not be searched again.
    @usableFromInline var searched = 0
    /// The size of the whole frame once it is known, else 0.
    @usableFromInline var end = 0

    private static let leastByteCount = 64
    /// More memory than this is given back after each frame: a million connections keep 512 MiB at most.
    private static let keptByteCountMax = 512

    @usableFromInline
    init() {}

    /// Copies the next part of the input: up to the frame's end if that is known. Otherwise it at most doubles the bytes
    /// that are there, so that few bytes behind the end are copied in vain.
    /// - Parameter limit: the most bytes of a frame; more than there are already.
    /// - Returns: how many bytes were copied.
    @usableFromInline
    mutating func copy(from input: RawSpan, limit: Int) -> Int {
        let doubled = min(limit, bytes.count + max(bytes.count, SplitFrame.leastByteCount))
        // At least one byte: a rule of the user's own may have lowered its bounds meanwhile.
        let due = max(end > 0 ? end : doubled, bytes.count + 1)
        let part = input.extracting(first: due - bytes.count)
        append(part, limit)
        return part.byteCount
    }

    /// Begins with bytes in which no frame ends; copies all of them.
    @usableFromInline
    mutating func begin(with input: RawSpan, limit: Int) {
        append(input, limit)
    }

    /// Drops the bytes that were copied behind the frame's end.
    @usableFromInline
    mutating func cut(at end: Int) {
        bytes.removeLast(bytes.count - end)
    }

    /// Forgets the frame. Its memory is kept for the next one if it is small.
    @usableFromInline
    mutating func clear() {
        searched = 0
        end = 0
        if bytes.capacity > SplitFrame.keptByteCountMax {
            bytes = []
        } else {
            bytes.removeAll(keepingCapacity: true)
        }
    }

    /// Forgets the frame and leaves its memory to the caller.
    mutating func take() -> [UInt8] {
        let taken = bytes
        self = SplitFrame()
        return taken
    }

    private mutating func append(_ part: RawSpan, _ limit: Int) {
        let due = bytes.count + part.byteCount
        if due > bytes.capacity {
            let most = end > 0 ? end : limit
            bytes.reserveCapacity(min(most, max(due, 2 * bytes.capacity, SplitFrame.leastByteCount)))
        }
        part.append(to: &bytes)
    }
}

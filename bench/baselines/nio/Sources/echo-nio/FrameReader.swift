import NIOCore

/// Finds the whole frames in what a connection sent.
struct FrameReader {
    private let frameBytes: Int
    /// The part of a frame that came so far; empty between frames.
    private var partial = ByteBuffer()

    init(frameBytes: Int) {
        self.frameBytes = frameBytes
    }

    /// Calls `found` with each run of whole frames, which shares the bytes; only a frame that came in parts is copied.
    mutating func take(_ received: ByteBuffer, found: (ByteBuffer) -> Void) {
        var received = received
        if partial.readableBytes > 0 {
            move(frameBytes - partial.readableBytes, from: &received)
            guard partial.readableBytes == frameBytes else { return }
            found(partial)
            partial = ByteBuffer()
        }
        let wholeBytes = received.readableBytes - received.readableBytes % frameBytes
        if wholeBytes > 0, let run = received.readSlice(length: wholeBytes) { found(run) }
        if received.readableBytes > 0 {
            partial.reserveCapacity(frameBytes)
            partial.writeBuffer(&received)
        }
    }

    private mutating func move(_ bytesMax: Int, from received: inout ByteBuffer) {
        guard var piece = received.readSlice(length: min(bytesMax, received.readableBytes)) else { return }
        partial.writeBuffer(&piece)
    }
}

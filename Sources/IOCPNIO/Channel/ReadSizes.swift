#if NIO
import NIOCore

/// How much a channel tells in one read, by the allocator that the application gave it.
///
/// Memory is the loop's own business here, so an allocator bounds a read: one of a fixed size by that, an adaptive one, whose
/// sizes are guesses, by its maximum. One of the application's own making is asked each time.
struct ReadSizes {
    /// As it was given, for who asks.
    private(set) var allocator: any RecvByteBufferAllocator = AdaptiveRecvByteBufferAllocator()
    private var bound = Int.max
    private var isAsked = false

    init() {}

    init(_ allocator: any RecvByteBufferAllocator) {
        self.allocator = allocator
        switch allocator {
        case let fixed as FixedSizeRecvByteBufferAllocator: bound = max(1, fixed.capacity)
        case let adaptive as AdaptiveRecvByteBufferAllocator: bound = max(1, adaptive.maximum)
        default: isAsked = true
        }
    }

    func next() -> Int {
        guard isAsked else { return bound }
        return max(1, allocator.nextBufferSize() ?? allocator.buffer(allocator: ByteBufferAllocator()).writableBytes)
    }

    mutating func record(_ count: Int) {
        if isAsked { _ = allocator.record(actualReadBytes: count) }
    }
}
#endif

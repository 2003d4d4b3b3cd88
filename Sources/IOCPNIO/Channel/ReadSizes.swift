#if NIO
import NIOCore

/// How much a channel tells in one read, by the allocator that the application gave it.
///
/// Memory is the loop's own business here, so an allocator bounds a read: one of a fixed size by that, an adaptive one, whose
/// sizes are guesses, by its maximum. One of the application's own making is asked each time.
struct ReadSizes {
    /// nil: NIO's own default. Behind a reference: an existential here would have every look at a channel's reads copy all of them,
    /// a seventh of this library's part of an echo.
    private var given: Given?
    private var bound = Int.max
    private var isAsked = false

    private final class Given {
        var allocator: any RecvByteBufferAllocator

        init(_ allocator: any RecvByteBufferAllocator) { self.allocator = allocator }
    }

    init() {}

    init(_ allocator: any RecvByteBufferAllocator) {
        given = Given(allocator)
        switch allocator {
        case let fixed as FixedSizeRecvByteBufferAllocator: bound = max(1, fixed.capacity)
        case let adaptive as AdaptiveRecvByteBufferAllocator: bound = max(1, adaptive.maximum)
        default: isAsked = true
        }
    }

    /// As it was given, for who asks.
    var allocator: any RecvByteBufferAllocator { given?.allocator ?? AdaptiveRecvByteBufferAllocator() }

    func next() -> Int {
        guard isAsked, let given else { return bound }
        let allocator = given.allocator
        return max(1, allocator.nextBufferSize() ?? allocator.buffer(allocator: ByteBufferAllocator()).writableBytes)
    }

    func record(_ count: Int) {
        if isAsked { _ = given?.allocator.record(actualReadBytes: count) }
    }
}
#endif

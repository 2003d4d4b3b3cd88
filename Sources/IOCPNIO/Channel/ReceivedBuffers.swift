#if NIO
import NIOCore

/// The `ByteBuffer`s that a loop's channels read into.
///
/// What was received is copied once, out of the worker's buffer, which goes back at once. A buffer that no handler kept is
/// filled again, so that reading allocates nothing; one that was kept has at most four times the memory of its bytes, or 2 KiB.
struct ReceivedBuffers {
    private var pools = [2 * 1024, 8 * 1024, 32 * 1024, 128 * 1024].map { Pool(capacity: $0) }

    @unsafe
    mutating func fill(_ bytes: UnsafeRawBufferPointer, allocator: ByteBufferAllocator) -> ByteBuffer {
        for index in pools.indices where bytes.count <= pools[index].capacity {
            return unsafe pools[index].fill(bytes, allocator: allocator)
        }
        return unsafe allocator.buffer(bytes: bytes)
    }

    private struct Pool {
        let capacity: Int
        private var buffers: NIOPooledRecvBufferAllocator

        init(capacity: Int) {
            self.capacity = capacity
            buffers = NIOPooledRecvBufferAllocator(
                capacity: 8, recvAllocator: FixedSizeRecvByteBufferAllocator(capacity: capacity))
        }

        @unsafe
        mutating func fill(_ bytes: UnsafeRawBufferPointer, allocator: ByteBufferAllocator) -> ByteBuffer {
            buffers.buffer(allocator: allocator) { buffer in
                _ = unsafe buffer.writeBytes(bytes)
            }.0
        }
    }
}
#endif

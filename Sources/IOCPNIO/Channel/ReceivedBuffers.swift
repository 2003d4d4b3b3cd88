#if NIO
import NIOCore

/// The `ByteBuffer`s that a loop's channels read into.
///
/// What was received is copied once, out of the worker's buffer, which goes back at once. A buffer that no handler and no send
/// keeps is filled again, so that reading allocates nothing. One that is kept has at most four times the memory of its bytes,
/// or 2 KiB.
struct ReceivedBuffers {
    /// For reads of up to so many bytes. As many of each as sends wait in, at most 64: 11 MiB of a loop that echoes large
    /// messages to many, and 2 KiB of one that echoes small ones.
    private var pools = [2, 8, 32, 128].map { Pool(capacity: $0 * 1024) }

    @unsafe
    mutating func fill(_ bytes: UnsafeRawBufferPointer, allocator: ByteBufferAllocator) -> ByteBuffer {
        for index in pools.indices where bytes.count <= pools[index].capacity {
            return unsafe pools[index].fill(bytes, allocator: allocator)
        }
        return unsafe allocator.buffer(bytes: bytes)
    }

    /// Buffers of one size. The first that is free is filled, so that few are in use, and those are in the cache: taken by
    /// turns, a 64 KiB echo cost 1.7 times as much, and with memory from `malloc` alone, which gives it back to the system each
    /// time, a 16 KiB echo did.
    private struct Pool {
        let capacity: Int
        private var buffers: [ByteBuffer] = []
        private static let countMax = 64

        init(capacity: Int) { self.capacity = capacity }

        @unsafe
        mutating func fill(_ bytes: UnsafeRawBufferPointer, allocator: ByteBufferAllocator) -> ByteBuffer {
            for place in buffers.indices {
                let filled: Void? = buffers[place].modifyIfUniquelyOwned { buffer in
                    buffer.clear()
                    unsafe buffer.write(apartFrom: bytes)
                }
                if filled != nil { return buffers[place] }
            }
            guard buffers.count < Self.countMax else { return unsafe allocator.buffer(bytes: bytes) }
            var made = allocator.buffer(capacity: capacity + ByteBuffer.apart)
            unsafe made.write(apartFrom: bytes)
            buffers.append(made)
            return made
        }
    }
}

extension ByteBuffer {
    fileprivate static let apart = 1024

    /// Writes large bytes so that they do not lie in their page as the source lies in its: `memcpy` by `rep movsb` takes twice
    /// as long there (the processor takes a store for that of a later load), and a fresh receive buffer and fresh memory do lie
    /// alike. It was 1.5 times the CPU of a 64 KiB echo.
    @unsafe
    fileprivate mutating func write(apartFrom bytes: UnsafeRawBufferPointer) {
        if bytes.count > 2048 {
            let start = unsafe withUnsafeMutableWritableBytes { UInt(bitPattern: $0.baseAddress) }
            if (start &- UInt(bitPattern: bytes.baseAddress)) & 4095 < UInt(Self.apart),
                writableBytes >= Self.apart
            {
                moveWriterIndex(to: Self.apart)
                moveReaderIndex(to: Self.apart)
            }
        }
        unsafe writeBytes(bytes)
    }
}
#endif

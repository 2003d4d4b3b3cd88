import CIOCPInternals
import Glibc
import SharedHarness
import Testing

@Suite struct SendChunksTests {
    /// The chunks alone, closed with their owner.
    private final class Chunks {
        let pointer: UnsafeMutablePointer<iocp_send_chunks> = .allocate(capacity: 1)

        init(_ count: UInt32) { precondition(iocp_send_chunks_open(pointer, 0, count) == 0) }

        deinit {
            iocp_send_chunks_close(pointer)
            pointer.deallocate()
        }

        /// Appends a piece to the current chunk as a queue does. Returns its chunk, nil when none has room.
        func append(_ count: UInt32) -> UInt32? {
            let id = iocp_send_chunks_current(pointer)
            guard id != SendMemory.none else { return nil }
            precondition(pointer.pointee.current_used_bytes + count <= UInt32(IOCP_SEND_CHUNK_BYTES))
            iocp_send_chunks_retain(pointer, id)
            pointer.pointee.current_used_bytes += count
            return id
        }

        func take() -> UInt32? {
            let id = iocp_send_chunks_take(pointer)
            return id == SendMemory.none ? nil : id
        }

        func release(_ id: UInt32) { iocp_send_chunks_release(pointer, id) }
        func references(_ id: UInt32) -> UInt32 { pointer.pointee.references[Int(id)] }
        var held: UInt32 { iocp_send_chunks_held(pointer) }
        var room: Int { Int(iocp_send_chunks_room_bytes(pointer)) }
        var used: UInt32 { pointer.pointee.current_used_bytes }
    }

    static let size = UInt32(IOCP_SEND_CHUNK_BYTES)

    @Test func chunksAreApartAndPageAligned() {
        let chunks = Chunks(4)
        let starts = (0..<4).map { UInt(bitPattern: iocp_send_chunks_start(chunks.pointer, $0)) }
        #expect(starts[0] % 4096 == 0)
        #expect(zip(starts, starts.dropFirst()).allSatisfy { $1 - $0 == UInt(Self.size) })
        iocp_send_chunks_start(chunks.pointer, 3)![Int(Self.size) - 1] = 1 // the last byte is there
    }

    @Test func takingGivesEachChunkOnceAndThenNone() {
        let chunks = Chunks(4)
        let taken = (0..<4).compactMap { _ in chunks.take() }
        #expect(Set(taken) == [0, 1, 2, 3])
        #expect(chunks.take() == nil)
        #expect(chunks.held == 4 && chunks.room == 0)
        for id in taken { #expect(chunks.references(id) == 1) }
        chunks.release(2)
        chunks.release(0)
        #expect(chunks.take() == 0) // the hottest
        #expect(chunks.take() == 2)
    }

    @Test func aChunkIsFreeAfterItsLastReference() {
        let chunks = Chunks(4)
        let id = chunks.take()!
        iocp_send_chunks_retain(chunks.pointer, id)
        iocp_send_chunks_retain(chunks.pointer, id)
        chunks.release(id)
        chunks.release(id)
        #expect(chunks.held == 1 && chunks.pointer.pointee.free_count == 3)
        chunks.release(id)
        #expect(chunks.held == 0 && chunks.pointer.pointee.free_count == 4)
    }

    @Test func theCurrentChunkIsFilledToItsEnd() {
        let chunks = Chunks(4)
        let first = chunks.append(Self.size - 1)!
        #expect(chunks.append(1) == first)
        let second = chunks.append(1)!
        #expect(second != first)
        #expect(chunks.references(first) == 2 && chunks.references(second) == 2) // and one while it is current
        #expect(chunks.held == 2)
        chunks.release(first)
        chunks.release(first)
        #expect(chunks.held == 1)
    }

    /// What was just sent is still in the cache: the next bytes are written over it.
    @Test func theCurrentChunkStartsOverWhenEverythingInItWasSent() {
        let chunks = Chunks(4)
        let id = chunks.append(100)!
        #expect(chunks.append(50) == id && chunks.used == 150)
        chunks.release(id)
        #expect(chunks.append(1) == id && chunks.used == 151) // 50 bytes are still unsent
        chunks.release(id)
        chunks.release(id)
        #expect(chunks.held == 0)
        #expect(chunks.append(7) == id && chunks.used == 7)
        // Even a full one.
        chunks.release(id)
        #expect(chunks.append(Self.size) == id && chunks.used == Self.size)
        chunks.release(id)
        #expect(chunks.append(Self.size) == id && chunks.used == Self.size)
    }

    @Test func withoutFreeChunksThereIsNoCurrentOne() {
        let chunks = Chunks(4)
        let taken = (0..<3).compactMap { _ in chunks.take() }
        let current = chunks.append(Self.size)!
        #expect(chunks.append(1) == nil)
        #expect(chunks.append(1) == nil)
        chunks.release(taken[1])
        #expect(chunks.append(1) == taken[1])
        chunks.release(current)
        #expect(chunks.held == 3)
    }

    @Test func roomIsTheRestOfTheCurrentChunkAndTheFreeOnes() {
        let chunks = Chunks(4)
        let size = Int(Self.size)
        #expect(chunks.room == 4 * size)
        let id = chunks.append(100)!
        #expect(chunks.room == 4 * size - 100)
        _ = chunks.take()
        #expect(chunks.room == 3 * size - 100)
        chunks.release(id)
        #expect(chunks.room == 3 * size) // everything in the current one was sent
    }

    /// At random moments: a copy of exactly the room fits, one byte more does not.
    @Test func roomNeverLies() {
        var random = Randomness.announced()
        let memory = SendMemory(nodes: 4096, chunks: 6)
        let queues = (0..<3).map { _ in SendQueue(memory) }
        for _ in 0..<1_000 {
            let queue = queues[random.below(queues.count)]
            switch random.below(4) {
            case 0: _ = queue.copy(random.bytes(random.magnitude(upTo: 20_000)))
            case 1: _ = queue.copy(random.bytes(random.magnitude(upTo: 20_000)), own: true)
            case 2: _ = queue.took(random.below(queue.unsent + 1))
            default:
                let probe = SendQueue(memory)
                let room = memory.roomBytes
                #expect(probe.copy([UInt8](repeating: 1, count: room + 1)) == -ENOBUFS)
                #expect(probe.isEmpty && memory.roomBytes == room)
                if room > 0 { #expect(probe.copy([UInt8](repeating: 1, count: room)) == 0) }
                #expect(memory.roomBytes == 0)
                probe.dropAll()
                #expect(memory.roomBytes + SendMemory.chunkBytes > room) // all but the rest of a chunk others still use
            }
        }
        for queue in queues { queue.dropAll() }
        #expect(memory.holdsNothing)
    }

    @Test func releasingTwiceTraps() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            let chunks = Chunks(4)
            let id = chunks.take()!
            chunks.release(id)
            chunks.release(id)
        }
        expectMessage(result, "a send chunk was released twice")
    }
}

import CIOCPInternals
import Glibc
import SharedHarness
import Testing

/// After a short send: what is left moves out of memory that others need.
@Suite struct SettleTests {
    @Test func leasesMoveIntoOwnChunksAndAreFreed() throws {
        let memory = SendMemory()
        let queue = SendQueue(memory)
        let first = try #require(memory.receive([1, 2, 3, 4]))
        let second = try #require(memory.receive([5, 6]))
        #expect(queue.lease(first, count: 4) == 0)
        #expect(queue.mark(1) == 0)
        #expect(queue.lease(second, count: 2) == 0)
        #expect(queue.took(1).isEmpty)
        queue.settle()
        #expect(memory.leases == 0)
        #expect(queue.pieces.map(\.kind) == [IOCP_PIECE_OWN, IOCP_PIECE_MARK, IOCP_PIECE_OWN])
        #expect(queue.unsent == 5 && queue.unsentBytes == [2, 3, 4, 5, 6])
        #expect(queue.took(5).map(\.after) == [3])
        #expect(memory.holdsNothing)
    }

    @Test func aLeaseLargerThanAChunkIsCut() throws {
        var random = Randomness.announced()
        let memory = SendMemory()
        let bytes = random.bytes(memory.bufferBytes)
        // Whole chunks, one byte more, one less; with neighbours on both sides or on none.
        for (count, chunks) in [(65536, 4), (32769, 3), (32767, 2), (16384, 1), (16385, 2)] {
            for (before, after) in [(0, 0), (3, 0), (0, 3), (2, 2)] {
                let queue = SendQueue(memory)
                for key in 0..<before { #expect(queue.mark(UInt64(key)) == 0) }
                #expect(queue.lease(try #require(memory.receive(bytes)), count: count) == 0)
                for key in 0..<after { #expect(queue.mark(UInt64(key)) == 0) }
                queue.settle()
                #expect(memory.leases == 0)
                #expect(memory.heldChunks == chunks && memory.usedNodes == chunks + before + after)
                #expect(queue.unsent == count && queue.unsentBytes == Array(bytes[..<count]))
                #expect(queue.copy([42], own: true) == 0) // the tail is right
                #expect(queue.unsentBytes.last == 42)
                #expect(queue.took(count + 1).count == before + after)
                #expect(memory.holdsNothing)
            }
        }
    }

    @Test func aSmallRemainLeavesTheSharedChunk() {
        let memory = SendMemory()
        let stalled = SendQueue(memory), other = SendQueue(memory)
        #expect(stalled.copy([1, 2, 3]) == 0)
        #expect(other.copy([4]) == 0)
        stalled.settle()
        #expect(stalled.pieces.map(\.kind) == [IOCP_PIECE_OWN])
        #expect(stalled.unsentBytes == [1, 2, 3])
        #expect(memory.heldChunks == 2)
        #expect(other.took(1).isEmpty)
        #expect(memory.heldChunks == 1) // the shared chunk is free for all again
    }

    @Test func aLargeRemainKeepsTheSharedChunk() {
        let memory = SendMemory()
        let queue = SendQueue(memory)
        #expect(queue.copy([UInt8](repeating: 5, count: SendMemory.chunkBytes / 2)) == 0)
        let before = queue.pieces
        queue.settle()
        #expect(queue.pieces.map(\.start) == before.map(\.start))
        #expect(queue.pieces.map(\.kind) == [IOCP_PIECE_LEFT])
        #expect(memory.chunks.pointee.stalled_count == 1)
        #expect(queue.took(1).isEmpty) // now less than half a chunk
        queue.settle()
        #expect(queue.pieces.map(\.kind) == [IOCP_PIECE_OWN])
        #expect(memory.chunks.pointee.stalled_count == 1)
        queue.dropAll()
        #expect(memory.chunks.pointee.stalled_count == 0 && memory.holdsNothing)
    }

    @Test func ownSharedAndMarksStay() {
        let memory = SendMemory()
        let queue = SendQueue(memory)
        let shared = Shared([1, 2])
        #expect(queue.copy([3], own: true) == 0)
        #expect(queue.shared(shared.pointer) == 0)
        #expect(queue.mark(1) == 0)
        let before = queue.pieces
        queue.settle()
        #expect(queue.pieces == before)
    }

    /// Of four chunks one is the reserve.
    @Test func theReserveIsNotForWhatIsLeft() throws {
        let memory = SendMemory(chunks: 4)
        let hog = SendQueue(memory), queue = SendQueue(memory)
        #expect(hog.copy([UInt8](repeating: 0, count: 3 * SendMemory.chunkBytes), own: true) == 0)
        let first = try #require(memory.receive([1, 2]))
        let second = try #require(memory.receive([3, 4]))
        #expect(queue.lease(first, count: 2) == 0)
        #expect(queue.lease(second, count: 2) == 0)
        queue.settle()
        #expect(queue.unsentBytes == [1, 2, 3, 4])
        #expect(memory.leases == 2 && memory.freeChunks == 1)
        hog.dropAll()
        #expect(queue.settle())
        #expect(memory.leases == 0)
        #expect(queue.unsentBytes == [1, 2, 3, 4])
    }

    @Test func withoutFreeNodesTheRestStaysWhereItIs() throws {
        let memory = SendMemory(nodes: 2)
        let queue = SendQueue(memory)
        #expect(queue.lease(try #require(memory.receive([1, 2])), count: 2) == 0)
        #expect(queue.mark(1) == 0)
        #expect(!queue.settle())
        #expect(queue.unsentBytes == [1, 2] && memory.leases == 1)
    }

    /// A stalled peer's remains may take the room they need, not a chunk for each of many small pieces.
    @Test func manySmallPiecesShareOwnChunks() throws {
        let memory = SendMemory(nodes: 64, chunks: 32)
        let queue = SendQueue(memory)
        for byte: UInt8 in 0..<16 {
            #expect(queue.lease(try #require(memory.receive([byte])), count: 1) == 0)
        }
        queue.settle()
        #expect(memory.leases == 0)
        #expect(queue.unsentBytes == Array(0..<16))
        #expect(memory.heldChunks == 1)
    }

    /// A lease of several chunks takes several nodes: none of those that every connection can have.
    @Test func theReserveOfNodesIsNotForWhatIsLeft() throws {
        let memory = SendMemory(nodes: 8, reserve: 6)
        let queue = SendQueue(memory)
        #expect(queue.lease(try #require(memory.receive([])), count: SendMemory.chunkBytes + 1) == 0)
        #expect(queue.mark(1) == 0)
        #expect(!queue.settle())
        #expect(memory.usedNodes == 2 && memory.leases == 1)
        #expect(queue.took(1).isEmpty) // one chunk: one node for another
        #expect(queue.settle())
        #expect(memory.usedNodes == 2 && memory.leases == 0)
    }

    @Test func droppedBytesLeaveTheMarks() throws {
        let memory = SendMemory()
        let queue = SendQueue(memory)
        #expect(queue.mark(1) == 0)
        #expect(queue.copy([1, 2]) == 0)
        #expect(queue.mark(2) == 0)
        #expect(queue.lease(try #require(memory.receive([3])), count: 1) == 0)
        #expect(iocp_send_queue_drop_bytes(memory.pool, &queue.queue) == 3)
        #expect(queue.pieces.map(\.kind) == [IOCP_PIECE_MARK, IOCP_PIECE_MARK] && queue.unsent == 0)
        #expect(memory.heldChunks == 0 && memory.leases == 0)
        #expect(queue.dropAll() == [1, 2])
        #expect(memory.holdsNothing)
    }
}

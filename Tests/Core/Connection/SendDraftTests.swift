import CIOCPInternals
import Glibc
import Testing

/// Sends that are written piece by piece: where their room lies, and what is left of it.
@Suite struct SendDraftTests {
    private static let chunk = SendMemory.chunkBytes

    private func ramp(_ count: Int, from start: Int = 0) -> [UInt8] {
        (start..<start + count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ ($0 >> 8)) }
    }

    @Test func whatIsWrittenInPlaceIsNotMoved() throws {
        let memory = SendMemory()
        let queue = SendQueue(memory)
        let draft = SendDraft(memory)
        #expect(draft.reserve(100, writing: [1, 2, 3]) == 0)
        let start = try #require(memory.pool.pointee.draft.room_start)
        draft.keep(3)
        #expect(queue.isEmpty && draft.count == 3)
        #expect(queue.join() == 3)
        #expect(queue.pieces.map(\.start) == [UnsafePointer(start)] && queue.unsentBytes == [1, 2, 3])
        #expect(Int(memory.chunks.pointee.current_used_bytes) == 3, "the rest of the room is the next one's")
    }

    @Test func whatIsNotKeptDoesNotLeave() {
        let memory = SendMemory()
        let queue = SendQueue(memory), other = SendQueue(memory)
        let draft = SendDraft(memory)
        #expect(draft.write([1, 2], capacity: 1000) == 0)
        #expect(draft.reserve(500, writing: [3, 4, 5]) == 0) // given up by what comes next
        #expect(draft.append([6]) == 0)
        #expect(draft.reserve(10, writing: [7]) == 0)
        draft.keep(0)
        #expect(queue.join() == 3 && queue.unsentBytes == [1, 2, 6])
        #expect(other.copy([9, 9]) == 0 && other.unsentBytes == [9, 9])
        #expect(queue.unsentBytes == [1, 2, 6] && memory.heldChunks == 1)
    }

    @Test func piecesOfADraftAreOne() {
        let memory = SendMemory()
        let queue = SendQueue(memory)
        #expect(queue.copy([0]) == 0)
        let draft = SendDraft(memory)
        for byte: UInt8 in 1..<50 {
            #expect(byte % 2 == 0 ? draft.append([byte]) == 0 : draft.write([byte], capacity: 64) == 0)
        }
        #expect(queue.join() == 49)
        #expect(memory.usedNodes == 1 && queue.unsentBytes == Array(0..<50), "it goes on where the last send ended")
        let next = SendDraft(memory)
        #expect(next.write([50], capacity: 1) == 0 && queue.join() == 1)
        #expect(memory.usedNodes == 1 && queue.gather().ranges.count == 1)
    }

    @Test func aDraftStandsBehindWhatWasQueued() throws {
        let memory = SendMemory()
        let queue = SendQueue(memory)
        let lease = try #require(memory.receive([1, 2]))
        #expect(queue.lease(lease, count: 2) == 0 && queue.mark(5) == 0)
        let draft = SendDraft(memory)
        #expect(draft.append([3]) == 0)
        #expect(queue.join() == 1)
        #expect(queue.copy([4]) == 0 && queue.unsentBytes == [1, 2, 3, 4])
        #expect(queue.took(4).map(\.key) == [5])
        #expect(memory.holdsNothing)
    }

    @Test(arguments: [false, true]) func nothingIsLeftOfADraftThatIsGivenUp(own: Bool) {
        let memory = SendMemory(chunks: 8)
        let queue = SendQueue(memory), other = SendQueue(memory)
        #expect(other.copy([1, 2, 3]) == 0)
        let before = memory.roomBytes
        let draft = SendDraft(memory, own: own)
        #expect(draft.append([4, 5]) == 0 && draft.write(ramp(100), capacity: 200) == 0)
        #expect(draft.reserve(Self.chunk, writing: ramp(Self.chunk)) == 0)
        draft.discard()
        #expect(memory.roomBytes == before && memory.usedNodes == 1 && memory.heldChunks == 1)
        #expect(Int(memory.chunks.pointee.stalled_count) == 0)
        #expect(queue.isEmpty && other.unsentBytes == [1, 2, 3])
        // One that had filled chunks.
        let large = SendDraft(memory, own: own)
        #expect(large.append(ramp(3 * Self.chunk)) == 0)
        large.discard()
        #expect(other.took(3).isEmpty && memory.holdsNothing && memory.roomBytes == 8 * Self.chunk)
    }

    @Test func anEmptyDraftQueuesNothing() {
        let memory = SendMemory()
        let queue = SendQueue(memory)
        _ = SendDraft(memory)
        #expect(queue.join() == 0)
        let draft = SendDraft(memory)
        #expect(draft.write([], capacity: 10) == 0 && draft.append([]) == 0)
        #expect(queue.join() == 0 && queue.isEmpty && memory.holdsNothing)
    }

    // MARK: - Where room lies

    /// A chunk that has less left than the capacity stays the current one when few bytes were written.
    @Test func fewBytesOfALargeRoomMoveToTheChunkThatIsBeingFilled() {
        let memory = SendMemory(chunks: 8)
        let other = SendQueue(memory)
        #expect(other.copy(ramp(Self.chunk - 100)) == 0)
        let queues = (0..<5).map { _ in SendQueue(memory) }
        for (index, queue) in queues.enumerated() {
            let draft = SendDraft(memory)
            #expect(draft.reserve(Self.chunk, writing: ramp(20, from: index)) == 0 && draft.room == IOCP_ROOM_SPARE)
            draft.keep(20)
            #expect(queue.join() == 20)
        }
        #expect(memory.heldChunks == 1, "five small sends take no chunk each")
        #expect(queues.indices.allSatisfy { queues[$0].unsentBytes == ramp(20, from: $0) })
    }

    @Test func manyBytesOfALargeRoomStayInTheirChunk() {
        let memory = SendMemory(chunks: 8)
        let other = SendQueue(memory), queue = SendQueue(memory)
        #expect(other.copy(ramp(Self.chunk - 100)) == 0)
        let draft = SendDraft(memory)
        #expect(draft.write(ramp(5_000), capacity: Self.chunk) == 0)
        #expect(queue.join() == 5_000 && queue.unsentBytes == ramp(5_000) && memory.heldChunks == 2)
        #expect(Int(memory.chunks.pointee.current_used_bytes) == 5_000)
        #expect(queue.copy([1]) == 0 && memory.usedNodes == 2, "and that chunk is the one that is filled next")
        #expect(other.unsentBytes == ramp(Self.chunk - 100))
    }

    @Test(arguments: [false, true]) func exactlyAChunk(own: Bool) {
        let memory = SendMemory(chunks: 4)
        let queue = SendQueue(memory)
        for round in 0..<4 {
            let draft = SendDraft(memory, own: own)
            #expect(draft.write(ramp(Self.chunk, from: round), capacity: Self.chunk) == 0)
            #expect(queue.join() == Self.chunk)
        }
        #expect(queue.unsentBytes == (0..<4).flatMap { ramp(Self.chunk, from: $0) })
        let draft = SendDraft(memory, own: own)
        #expect(draft.reserve(1, writing: []) == -ENOBUFS && draft.append([1]) == -ENOBUFS)
        #expect(draft.room == IOCP_ROOM_NONE && draft.count == 0)
        draft.discard()
        #expect(queue.took(4 * Self.chunk).isEmpty && memory.holdsNothing)
    }

    @Test func smallDraftsBehindAFullSocketShareItsChunk() {
        let memory = SendMemory(chunks: 8)
        let queue = SendQueue(memory)
        for index in 0..<100 {
            let draft = SendDraft(memory, own: true)
            #expect(draft.write(ramp(30, from: index), capacity: 1_000) == 0 && queue.join() == 30)
        }
        #expect(queue.pieces.allSatisfy { $0.kind == IOCP_PIECE_OWN })
        #expect(memory.heldChunks == 1 && memory.usedNodes == 1 && memory.chunks.pointee.stalled_count == 1)
        #expect(queue.unsentBytes == (0..<100).flatMap { ramp(30, from: $0) })
    }

    // MARK: - No room

    @Test func aRefusalLeavesTheDraftAsItWas() {
        let memory = SendMemory(chunks: 4)
        let other = SendQueue(memory), queue = SendQueue(memory)
        #expect(other.copy(ramp(3 * Self.chunk + 1_000)) == 0)
        let draft = SendDraft(memory)
        #expect(draft.append([1, 2, 3]) == 0)
        let room = memory.roomBytes
        #expect(draft.append(ramp(room + 1)) == -ENOBUFS)
        #expect(draft.reserve(room + 1, writing: []) == -ENOBUFS)
        #expect(draft.count == 3 && memory.roomBytes == room)
        #expect(draft.write(ramp(room), capacity: room) == 0)
        #expect(queue.join() == room + 3 && queue.unsentBytes == [1, 2, 3] + ramp(room))
    }

    @Test func withoutNodesADraftIsRefused() {
        let memory = SendMemory(nodes: 2, chunks: 8)
        let queue = SendQueue(memory)
        #expect(queue.mark(1) == 0)
        let draft = SendDraft(memory)
        #expect(draft.append([1]) == -ENOBUFS && draft.reserve(1, writing: []) == -ENOBUFS)
        draft.discard()
        #expect(queue.took(0).map(\.key) == [1] && memory.holdsNothing)
    }

    @Test func keepingMoreThanThereIsRoomForTraps() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            let draft = SendDraft(SendMemory())
            _ = draft.reserve(10, writing: [])
            draft.keep(11)
        }
        expectMessage(result, "more bytes were kept than there was room for")
    }

    @Test func memoryThatIsWrittenInIsNotClosed() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            _ = SendDraft(SendMemory())
        }
        expectMessage(result, "a worker was closed while a send was written in its memory")
    }
}

import CIOCPInternals
import Glibc
import SharedHarness
import Testing

@Suite struct SendQueueTests {
    @Test func anEmptyQueueOffersNothing() {
        let queue = SendQueue(SendMemory())
        let (ranges, total, _) = queue.gather()
        #expect(ranges.isEmpty && total == 0)
        #expect(queue.took(0).isEmpty)
        #expect(queue.unsent == 0)
    }

    @Test func bytesLeaveInTheOrderOfTheCalls() throws {
        let memory = SendMemory()
        let queue = SendQueue(memory)
        let lease = try #require(memory.receive([4, 5, 6, 7, 8]))
        let shared = Shared([9, 10])
        #expect(queue.copy([1, 2, 3]) == 0)
        #expect(queue.lease(lease, from: 1, count: 3) == 0)
        #expect(queue.shared(shared.pointer) == 0)
        #expect(queue.copy([11], own: true) == 0)
        #expect(queue.unsent == 9)
        let (ranges, total, _) = queue.gather()
        #expect(SendQueue.bytes(ranges) == [1, 2, 3, 5, 6, 7, 9, 10, 11])
        #expect(total == 9)
        #expect(queue.took(9).isEmpty)
        #expect(queue.isEmpty && memory.holdsNothing)
    }

    @Test func copiesOfOneConnectionLeaveAsOneRange() {
        let memory = SendMemory()
        let queue = SendQueue(memory)
        for byte: UInt8 in 0..<200 { #expect(queue.copy([byte]) == 0) }
        #expect(memory.usedNodes == 1)
        let (ranges, _, _) = queue.gather()
        #expect(ranges.count == 1)
        #expect(SendQueue.bytes(ranges) == Array(0..<200))
    }

    /// Two pieces that lie behind one another in memory, although others were queued between them.
    @Test func neighboursInMemoryAreMerged() throws {
        let memory = SendMemory()
        let queue = SendQueue(memory)
        let lease = try #require(memory.receive([1, 2, 3, 4, 5, 6]))
        iocp_receive_buffers_lease(memory.buffers, lease)
        #expect(queue.lease(lease, count: 2) == 0)
        #expect(queue.mark(7) == 0)
        #expect(queue.lease(lease, from: 2, count: 3) == 0)
        let (ranges, total, _) = queue.gather()
        #expect(ranges.count == 1 && total == 5)
        #expect(SendQueue.bytes(ranges) == [1, 2, 3, 4, 5])
        // A hole of one byte, or the same bytes again, are no neighbours.
        iocp_receive_buffers_lease(memory.buffers, lease)
        #expect(queue.lease(lease, from: 1, count: 2) == 0)
        #expect(SendQueue.bytes(queue.gather().ranges) == [1, 2, 3, 4, 5, 2, 3])
        #expect(queue.gather().ranges.count == 2)
    }

    @Test func aSendIsWholeWhenTheQueueHoldsNothingElse() {
        let queue = SendQueue(SendMemory())
        let shared = Shared([1, 2])
        for _ in 0..<3 { #expect(queue.shared(shared.pointer) == 0) }
        #expect(!queue.gather(2).whole)
        #expect(queue.gather(3).whole)
        #expect(queue.mark(7) == 0)
        #expect(!queue.gather(4).whole)
    }

    @Test func gatherStopsAtItsCapacity() throws {
        let memory = SendMemory()
        let queue = SendQueue(memory)
        for byte: UInt8 in 0..<10 {
            #expect(queue.lease(try #require(memory.receive([byte])), count: 1) == 0)
        }
        for capacity in [1, 3, 9] {
            let (ranges, total, _) = queue.gather(capacity)
            #expect(ranges.count == capacity && total == capacity)
            #expect(SendQueue.bytes(ranges) == Array(0..<UInt8(capacity)))
        }
    }

    @Test func aShortSendResumesAtItsOffset() throws {
        let memory = SendMemory()
        let queue = SendQueue(memory)
        let lease = try #require(memory.receive([4, 5, 6]))
        #expect(queue.copy([1, 2, 3]) == 0)
        #expect(queue.lease(lease, count: 3) == 0)
        for sent: UInt8 in 1...6 {
            #expect(queue.took(1).isEmpty)
            #expect(queue.unsent == 6 - Int(sent))
            #expect(SendQueue.bytes(queue.gather().ranges) == Array(1...6).dropFirst(Int(sent)).map { UInt8($0) })
        }
        #expect(memory.holdsNothing)
    }

    @Test func marksComeExactlyAfterTheBytesBeforeThem() {
        let queue = SendQueue(SendMemory())
        #expect(queue.mark(100) == 0) // nothing before it
        #expect(queue.copy([1, 2]) == 0)
        #expect(queue.mark(101) == 0)
        #expect(queue.mark(102) == 0)
        #expect(queue.copy([3]) == 0)
        #expect(queue.mark(103) == 0)
        #expect(queue.unsent == 3)
        func expect(_ marks: [(key: UInt64, after: Int)], _ keys: [UInt64], _ positions: [Int]) {
            #expect(marks.map(\.key) == keys)
            #expect(marks.map(\.after) == positions)
        }
        expect(queue.took(0), [100], [0])
        expect(queue.took(1), [], [])
        expect(queue.took(2), [101, 102, 103], [1, 1, 2])
        #expect(queue.isEmpty && queue.memory.holdsNothing)
    }

    @Test func takeMarkLeavesBytesAlone() {
        let queue = SendQueue(SendMemory())
        var key: UInt64 = 9
        #expect(!iocp_send_queue_take_mark(queue.memory.pool, &queue.queue, &key))
        #expect(queue.copy([1]) == 0)
        #expect(!iocp_send_queue_take_mark(queue.memory.pool, &queue.queue, &key))
        #expect(key == 9 && queue.unsent == 1)
    }

    @Test func droppingGivesEverythingBackAndNamesTheMarks() throws {
        let memory = SendMemory()
        let queue = SendQueue(memory)
        let shared = Shared([1, 2, 3])
        #expect(queue.copy([1]) == 0)
        #expect(queue.mark(1) == 0)
        #expect(queue.lease(try #require(memory.receive([2])), count: 1) == 0)
        #expect(queue.shared(shared.pointer) == 0)
        #expect(queue.mark(2) == 0)
        #expect(queue.copy([3], own: true) == 0)
        #expect(queue.dropAll() == [1, 2])
        #expect(queue.unsent == 0 && memory.holdsNothing)
        #expect(SendQueue.bytes([iocp_range(start: iocp_shared_bytes_start(shared.pointer), count_bytes: 3)]) == [1, 2, 3])
    }

    @Test func connectionsShareTheCurrentChunkAndKeepTheirBytesApart() {
        let memory = SendMemory(nodes: 512)
        let queues = (0..<4).map { _ in SendQueue(memory) }
        for round: UInt8 in 0..<100 {
            for (name, queue) in queues.enumerated() { #expect(queue.copy([round, UInt8(name)]) == 0) }
        }
        #expect(memory.heldChunks == 1)
        for (name, queue) in queues.enumerated() {
            #expect(queue.unsentBytes == (0..<100).flatMap { [$0, UInt8(name)] })
        }
    }

    @Test func anOwnCopySharesNoChunk() {
        let memory = SendMemory()
        let first = SendQueue(memory), second = SendQueue(memory), third = SendQueue(memory)
        #expect(first.copy([1], own: true) == 0)
        #expect(second.copy([2], own: true) == 0)
        #expect(third.copy([3]) == 0)
        #expect(memory.heldChunks == 3)
        #expect(first.copy([4], own: true) == 0) // its own chunk has room
        #expect(memory.heldChunks == 3 && memory.usedNodes == 3)
        #expect(first.unsentBytes == [1, 4])
    }

    @Test func largeCopiesFillChunksToTheirEnd() {
        var random = Randomness.announced()
        for own in [false, true] {
            let memory = SendMemory(chunks: 8)
            let queue = SendQueue(memory)
            let bytes = random.bytes(3 * SendMemory.chunkBytes + 100)
            #expect(queue.copy([9, 9, 9], own: own) == 0)
            #expect(queue.copy(bytes, own: own) == 0)
            #expect(memory.heldChunks == 4 && memory.usedNodes == 4)
            #expect(queue.unsentBytes == [9, 9, 9] + bytes)
        }
    }

    // MARK: - All or nothing

    /// Everything that must not change when a send is refused.
    private struct Snapshot: Equatable {
        let pieces: [SendQueue.Piece]
        let numbers: [Int]

        init(_ queue: SendQueue) {
            let memory = queue.memory, chunks = memory.chunks.pointee
            pieces = queue.pieces
            numbers = [
                queue.unsent, Int(queue.queue.head), Int(queue.queue.tail), memory.usedNodes, memory.freeChunks,
                memory.leases, Int(chunks.current), Int(chunks.current_used_bytes), memory.roomBytes,
            ]
        }
    }

    @Test(arguments: [false, true]) func aCopyThatDoesNotFitChangesNothing(own: Bool) {
        let memory = SendMemory(chunks: 4)
        let queue = SendQueue(memory)
        #expect(queue.copy([1, 2, 3], own: own) == 0)
        let before = Snapshot(queue)
        let room = 4 * SendMemory.chunkBytes - 3
        #expect(queue.copy([UInt8](repeating: 7, count: room + 1), own: own) == -ENOBUFS)
        #expect(Snapshot(queue) == before)
        #expect(queue.copy([UInt8](repeating: 7, count: room), own: own) == 0)
        #expect(queue.unsent == room + 3)
        #expect(queue.copy([1], own: own) == -ENOBUFS)
    }

    @Test func withoutNodesEveryKindIsRefusedAndChangesNothing() throws {
        let memory = SendMemory(nodes: 4, chunks: 8)
        let queue = SendQueue(memory)
        for key: UInt64 in 0..<4 { #expect(queue.mark(key) == 0) }
        let lease = try #require(memory.receive([1]))
        let shared = Shared([2])
        let before = Snapshot(queue)
        #expect(queue.mark(4) == -ENOBUFS)
        #expect(queue.copy([1]) == -ENOBUFS)
        #expect(queue.copy([1], own: true) == -ENOBUFS)
        #expect(queue.lease(lease, count: 1) == -ENOBUFS)
        #expect(queue.shared(shared.pointer) == -ENOBUFS)
        #expect(Snapshot(queue) == before)
        #expect(memory.leases == 1) // still the caller's
        iocp_receive_buffers_return(memory.buffers, lease)
        #expect(queue.took(0).map(\.key) == [0, 1, 2, 3])
        #expect(queue.copy([1]) == 0)
    }

    /// 3 nodes would take the first pieces of a copy that needs 4.
    @Test func aCopyIsRefusedBeforeItsFirstByteWhenNodesAreShort() {
        let memory = SendMemory(nodes: 3, chunks: 8)
        let queue = SendQueue(memory)
        let other = SendQueue(memory)
        #expect(other.copy([1]) == 0)
        let before = Snapshot(queue)
        #expect(queue.copy([UInt8](repeating: 1, count: 3 * SendMemory.chunkBytes)) == -ENOBUFS)
        #expect(Snapshot(queue) == before)
    }

    /// unsent_bytes is 32 bits wide; a queue that large is refused, not wrapped.
    @Test func unsentBytesNeverWrap() throws {
        let memory = SendMemory()
        let queue = SendQueue(memory)
        let lease = try #require(memory.receive([1]))
        let second = try #require(memory.receive([1]))
        #expect(queue.lease(lease, count: Int(UInt32.max) - 2) == 0)
        #expect(queue.lease(second, count: 3) == -ENOBUFS)
        #expect(queue.copy([1, 2, 3]) == -ENOBUFS)
        let shared = Shared([1, 2, 3])
        #expect(queue.shared(shared.pointer) == -ENOBUFS)
        #expect(queue.lease(second, count: 2) == 0)
        #expect(queue.unsent == Int(UInt32.max))
        #expect(queue.dropAll().isEmpty)
        #expect(queue.unsent == 0)
    }

    // MARK: - Part by part

    /// A layer seals a send record by record. What was found to fit as a whole fits so, too.
    @Test(arguments: [false, true])
    func whatFitsAsAWholeFitsPartByPart(own: Bool) {
        let memory = SendMemory(nodes: 2, chunks: 2)
        let queue = SendQueue(memory)
        let part = [UInt8](repeating: 7, count: 1000)
        let whole = 2 * SendMemory.chunkBytes
        for _ in 0..<whole / part.count { #expect(queue.copyOn(part, own: own) == 0) }
        #expect(queue.copyOn([UInt8](repeating: 7, count: whole % part.count), own: own) == 0)
        #expect(memory.usedNodes == 2 && queue.unsent == whole)
        #expect(queue.copyOn([1], own: own) == -ENOBUFS, "no chunk is left")
        #expect(queue.unsent == whole)
        queue.dropAll()
        #expect(memory.holdsNothing)
    }

    @Test(arguments: [false, true])
    func aPartNeedsANodeOnlyForAnotherChunk(own: Bool) {
        let memory = SendMemory(nodes: 2, chunks: 4)
        let queue = SendQueue(memory)
        #expect(queue.copy([1], own: own) == 0)
        #expect(queue.mark(7) == 0)
        queue.dropAll()
        #expect(queue.copyOn([1], own: own) == 0)
        let other = SendQueue(memory)
        #expect(other.mark(7) == 0)
        #expect(queue.copy([2], own: own) == -ENOBUFS, "a whole send is asked for more")
        #expect(queue.copyOn([2], own: own) == 0)
        #expect(queue.copyOn([UInt8](repeating: 3, count: SendMemory.chunkBytes), own: own) == -ENOBUFS)
        #expect(queue.unsent == 2)
    }

    // MARK: - The most one send may take

    @Test func oneSendTakesAtMostWhatItsResultCanSay() throws {
        let memory = SendMemory()
        let queue = SendQueue(memory)
        let first = try #require(memory.receive([1]))
        let second = try #require(memory.receive([1]))
        #expect(queue.lease(first, count: 0x7fff_0000) == 0)
        #expect(queue.lease(second, count: 0xffff) == 0)
        #expect(queue.gather().total == Int(IOCP_SEND_BYTES_MAX))
        #expect(queue.copy([1]) == 0)
        #expect(queue.gather().total == Int(IOCP_SEND_BYTES_MAX))
        queue.dropAll()
    }

    /// Shared bytes may be larger than one send: part of them must leave nevertheless, or the queue stands still.
    @Test func aPieceLargerThanOneSendStillLeaves() throws {
        let memory = SendMemory()
        let queue = SendQueue(memory)
        let lease = try #require(memory.receive([1]))
        #expect(queue.lease(lease, count: Int(IOCP_SEND_BYTES_MAX) + 1) == 0)
        let (ranges, total, _) = queue.gather()
        #expect(ranges.count == 1)
        #expect(total > 0 && total <= Int(IOCP_SEND_BYTES_MAX))
        #expect(ranges.map(\.count_bytes).reduce(0, +) == total)
        queue.dropAll()
    }
}

import CIOCPInternals
import Glibc
import SharedHarness
import Testing

/// Copies in parts: one behind the other, all of them or none.
@Suite struct SendPartsTests {
    @Test(arguments: [false, true]) func partsLeaveInOrderAsOneRange(own: Bool) {
        let memory = SendMemory()
        let queue = SendQueue(memory)
        #expect(queue.copy(parts: [[1], [], [2, 3], [4, 5, 6], []], own: own) == 0)
        #expect(memory.usedNodes == 1 && queue.unsent == 6)
        let (ranges, _, _) = queue.gather()
        #expect(ranges.count == 1 && SendQueue.bytes(ranges) == [1, 2, 3, 4, 5, 6])
        #expect(queue.copy(parts: [[7], [8]], own: own) == 0)
        #expect(queue.unsentBytes == Array(1...8) && memory.usedNodes == 1)
    }

    @Test func noPartsAreNothing() {
        let queue = SendQueue(SendMemory())
        #expect(queue.copy(parts: []) == 0 && queue.copy(parts: [[], []]) == 0)
        #expect(queue.isEmpty && queue.unsent == 0)
    }

    @Test(arguments: [false, true]) func partsCrossChunks(own: Bool) {
        var random = Randomness.announced()
        let memory = SendMemory(chunks: 8)
        let queue = SendQueue(memory)
        let parts = [1, SendMemory.chunkBytes - 1, 1, 2 * SendMemory.chunkBytes, 5].map { random.bytes($0) }
        #expect(queue.copy(parts: parts, own: own) == 0)
        #expect(queue.unsentBytes == parts.flatMap { $0 } && memory.heldChunks == 4)
    }

    /// The first parts fit, the last one does not.
    @Test(arguments: [false, true]) func partsWhoseSumDoesNotFitChangeNothing(own: Bool) {
        let memory = SendMemory(chunks: 4)
        let queue = SendQueue(memory)
        #expect(queue.copy([9], own: own) == 0)
        let pieces = queue.pieces, room = memory.roomBytes, nodes = memory.usedNodes
        let most = 4 * SendMemory.chunkBytes - 1
        #expect(queue.copy(parts: [[1, 2], [UInt8](repeating: 3, count: most - 1)], own: own) == -ENOBUFS)
        #expect(queue.pieces == pieces && memory.roomBytes == room && memory.usedNodes == nodes && queue.unsent == 1)
        #expect(queue.copy(parts: [[1, 2], [UInt8](repeating: 3, count: most - 2)], own: own) == 0)
    }
}

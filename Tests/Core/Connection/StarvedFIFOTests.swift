import CIOCPInternals
import Glibc
import SharedHarness
import Testing

/// The FIFO of connections that wait for a receive buffer.
@Suite struct StarvedFIFOTests {
    /// A FIFO over a table with `count` slots taken.
    private final class Waiting {
        let table: SlotTable
        var fifo = iocp_slot_fifo_empty()

        init(_ count: UInt32) {
            table = SlotTable(slots: count)
            for _ in 0..<count { _ = table.take() }
        }

        func push(_ index: UInt32) { iocp_slot_fifo_push(&fifo, table.table, table.pointer(index)) }
        func remove(_ index: UInt32) { iocp_slot_fifo_remove(&fifo, table.table, table.pointer(index)) }
        func pop() -> UInt32? { iocp_slot_fifo_pop(&fifo, table.table).map { iocp_slot_index(table.table, $0) } }

        func popAll() -> [UInt32] {
            var all: [UInt32] = []
            while let index = pop() { all.append(index) }
            return all
        }

        var isEmpty: Bool { fifo.count == 0 && fifo.head == SlotTable.none && fifo.tail == SlotTable.none }
    }

    @Test func emptyPopsNothing() {
        let waiting = Waiting(1)
        #expect(waiting.isEmpty)
        #expect(waiting.pop() == nil)
        #expect(waiting.isEmpty)
    }

    @Test func firstInIsFirstOut() {
        let waiting = Waiting(5)
        for index: UInt32 in [3, 0, 4, 1, 2] { waiting.push(index) }
        #expect(waiting.fifo.count == 5)
        #expect(waiting.popAll() == [3, 0, 4, 1, 2])
        #expect(waiting.isEmpty)
        waiting.push(2) // works again after it ran empty
        #expect(waiting.popAll() == [2])
    }

    @Test(arguments: [(3, [0, 4, 1]), (4, [3, 0, 1]), (1, [3, 0, 4])] as [(UInt32, [UInt32])])
    func aSlotLeavesFromHeadMiddleOrTail(leaving: UInt32, rest: [UInt32]) {
        let waiting = Waiting(6)
        for index: UInt32 in [3, 0, 4, 1] { waiting.push(index) }
        waiting.remove(leaving)
        #expect(waiting.fifo.count == 3)
        waiting.push(5) // the tail is right
        #expect(waiting.popAll() == rest + [5])
        #expect(waiting.isEmpty)
    }

    @Test func theOnlyOneLeaves() {
        let waiting = Waiting(2)
        waiting.push(1)
        waiting.remove(1)
        #expect(waiting.isEmpty)
        waiting.push(0)
        waiting.push(1) // may wait again
        #expect(waiting.popAll() == [0, 1])
    }

    @Test func randomOrderAgainstAnArray() throws {
        var random = Randomness.announced()
        let waiting = Waiting(24)
        var model: [UInt32] = []
        for _ in 0..<20_000 {
            switch random.below(4) {
            case 0, 1:
                guard let index = (0..<24).filter({ !model.contains($0) }).randomElement(using: &random) else { break }
                waiting.push(index)
                model.append(index)
            case 2:
                #expect(waiting.pop() == model.first)
                if !model.isEmpty { model.removeFirst() }
            default:
                guard let index = model.randomElement(using: &random) else { break }
                waiting.remove(index)
                model.removeAll { $0 == index }
            }
            #expect(waiting.fifo.count == model.count)
        }
        #expect(waiting.popAll() == model)
        #expect(waiting.isEmpty)
    }

    @Test func removingASlotThatDoesNotWaitTraps() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            let waiting = Waiting(3)
            waiting.push(0)
            waiting.push(1)
            waiting.remove(2)
        }
        expectMessage(result, "a starved connection was not in the FIFO")
    }
}

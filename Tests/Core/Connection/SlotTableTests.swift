import CIOCPInternals
import Glibc
import SharedHarness
import Testing

@Suite struct SlotTableTests {
    /// So a name comes back as late as it can.
    @Test func slotsAreReusedInTurn() throws {
        let table = SlotTable(slots: 8)
        let taken = (0..<5).compactMap { _ in table.take() }
        #expect(taken == [0, 1, 2, 3, 4])
        for index: UInt32 in [1, 3, 0] { table.release(index) }
        #expect(table.used == 2)
        #expect((0..<3).compactMap { _ in table.take() } == [5, 6, 7]) // unused ones first
        #expect((0..<3).compactMap { _ in table.take() } == [1, 3, 0])
        #expect(table.take() == nil)
    }

    /// A table far larger than its use is touched only as far as the rotation is worth.
    @Test func aThousandSlotsRest() throws {
        let table = SlotTable(slots: 5000)
        var seen: Set<UInt32> = []
        for _ in 0..<3000 {
            let index = try #require(table.take())
            seen.insert(index)
            table.release(index)
        }
        #expect(seen == Set(0..<1024))
        // Each of them was taken as often as any other, but for the turn that is not complete.
        let lives = (0..<1024).map { table[$0].generation }
        #expect(lives.min()! >= lives.max()! - 1)
    }

    @Test func aTakeThatIsUndoneNamesNobody() throws {
        let table = SlotTable(slots: 3)
        let first = try #require(table.take())
        iocp_slot_take_back(table.table, first)
        #expect(table.used == 0)
        _ = [table.take(), table.take()]
        let again = try #require(table.take())
        #expect(again == first && table[again].generation == 1)
        table.release(again)
        let next = try #require(table.take())
        iocp_slot_take_back(table.table, next)
        #expect(table.take() == next && table[next].generation == 2)
    }

    /// 28 bits came back within hours on one busy slot.
    @Test func aNameComesBackAfterAllOthersOfItsSlot() throws {
        let table = SlotTable(slots: 1)
        let index = try #require(table.take())
        let first = table.token(index)
        table[index].generation = (1 << 28) + 1 // as many lives later
        table.release(index)
        _ = table.take()
        #expect(table.finds(first) == nil && iocp_token_generation(table.token(index)) == (1 << 28) + 2)
        table[index].generation = (1 << 34) - 1
        table.release(index)
        _ = table.take()
        #expect(table.finds(first) == index, "the generation has 34 bits")
    }

    @Test func everySlotIsUsableAndThenTheTableIsFull() {
        let count: UInt32 = 1000
        let table = SlotTable(slots: count)
        let taken = Set((0..<count).compactMap { _ in table.take() })
        #expect(taken == Set(0..<count))
        #expect(iocp_slot_take(table.table) == Int64(-ENFILE))
        #expect(table.used == count)
        #expect(taken.allSatisfy { table.finds(table.token($0)) == $0 })
        table.release(617)
        #expect(table.take() == 617)
        #expect(iocp_slot_take(table.table) == Int64(-ENFILE))
    }

    @Test func everyLifeHasAnotherGeneration() throws {
        let table = SlotTable(slots: 1)
        var seen: Set<UInt64> = []
        for _ in 0..<100 {
            let index = try #require(table.take())
            #expect(seen.insert(table.token(index)).inserted)
            table.release(index)
        }
    }

    @Test func staleTokensFindNothing() throws {
        let table = SlotTable(slots: 1)
        let index = try #require(table.take())
        let first = table.token(index)
        #expect(table.finds(first) == index)
        table.release(index)
        #expect(table.finds(first) == nil) // released
        #expect(table.take() == index)
        #expect(table.finds(first) == nil) // taken over
        #expect(table.finds(table.token(index)) == index)
        // Every operation of a life names the same slot.
        for operation in [IOCP_OPERATION_RECEIVE, IOCP_OPERATION_SEND, IOCP_OPERATION_CLOSE] {
            #expect(table.findsOperation(table.token(index, operation)) == index)
            #expect(table.findsOperation(iocp_token_with(first, operation)) == nil)
        }
    }

    @Test func generationThatWrapsSkipsZero() throws {
        let table = SlotTable(slots: 1)
        let index = try #require(table.take())
        table[index].generation = (1 << 34) - 1
        let last = table.token(index)
        table.release(index)
        #expect(table.take() == index)
        #expect(iocp_token_generation(table.token(index)) == 1)
        #expect(table.finds(last) == nil)
    }

    @Test func tokensOfSlotsNeverUsedFindNothing() throws {
        let table = SlotTable(slots: 4, worker: 3)
        _ = table.take()
        #expect(table.finds(0) == nil)
        for slot: UInt32 in [1, 3, 4, (1 << 20) - 1] {
            for generation: UInt64 in [0, 1, (1 << 34) - 1] {
                #expect(table.finds(iocp_token_join(3, slot, generation)) == nil)
            }
        }
    }

    /// Slots and generations begin alike on every worker, so a token of another worker's would often fit.
    @Test func tokensOfAnotherWorkerFindNothing() throws {
        let ours = SlotTable(slots: 4, worker: 3)
        let theirs = SlotTable(slots: 4, worker: 4)
        let index = try #require(ours.take())
        #expect(theirs.take() == index)
        #expect(ours.finds(theirs.token(index)) == nil)
    }

    @Test func aNewLifeInheritsNothing() throws {
        let table = SlotTable(slots: 1)
        let index = try #require(table.take())
        table[index] = internals_slot(
            generation: table[index].generation, handle: 5, flags: .max, in_flight_bytes: 1,
            queue: iocp_send_queue_empty(), state: IOCP_SLOT_CLOSING, receive: IOCP_RECEIVE_FINISHED,
            send: IOCP_SEND_DELAYED, finish: IOCP_FINISH_SENT, watch: IOCP_WATCH_SPENT, connect: IOCP_CONNECT_OPENED,
            buffers: IOCP_BUFFERS_LARGE, close_reason: 3, key: 77,
            received_bytes: 1, sent_bytes: 2, received_ns: 3, opened_ns: 6, sent_mark_bytes: 7, close_result: -4)
        table.release(index)
        #expect(iocp_slot_take(table.table) == Int64(index))
        let slot = table[index]
        #expect(slot.state == IOCP_SLOT_FREE) // the caller's to open
        #expect(slot.handle == .max)
        #expect(slot.flags == 0 && slot.in_flight_bytes == 0)
        #expect(slot.receive == IOCP_RECEIVE_NONE && slot.send == IOCP_SEND_NONE && slot.finish == IOCP_FINISH_NONE)
        #expect(slot.watch == IOCP_WATCH_NONE && slot.connect == IOCP_CONNECT_NONE && slot.buffers == IOCP_BUFFERS_SMALL)
        #expect(slot.close_reason == 0 && slot.close_result == 0)
        #expect(slot.key == 0 && slot.opened_ns == 0 && slot.received_ns == 0)
        #expect(slot.received_bytes == 0 && slot.sent_bytes == 0 && slot.sent_mark_bytes == 0)
        #expect(slot.queue.head == .max && slot.queue.tail == .max && slot.queue.unsent_bytes == 0)
    }

    /// Against a model: which slots live, under which tokens.
    @Test func randomLivesNeverMeet() throws {
        var random = Randomness.announced()
        let table = SlotTable(slots: 16)
        var live: [UInt32: UInt64] = [:]
        var dead: [UInt64] = []
        for _ in 0..<10_000 {
            if random.below(2) == 0 {
                guard let index = table.take() else {
                    #expect(live.count == 16)
                    continue
                }
                #expect(live.updateValue(table.token(index), forKey: index) == nil)
            } else if let (index, token) = live.randomElement(using: &random) {
                table.release(index)
                live[index] = nil
                dead.append(token)
            }
            #expect(Int(table.used) == live.count)
            if let (index, token) = live.randomElement(using: &random) { #expect(table.finds(token) == index) }
            if let token = dead.randomElement(using: &random) { #expect(table.finds(token) == nil) }
        }
        #expect(Set(dead).union(live.values).count == dead.count + live.count, "two lives had one name")
    }

    // MARK: - Traps

    @Test func releasingTwiceTraps() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            let table = SlotTable(slots: 2)
            let index = table.take()!
            table.release(index)
            table.release(index)
        }
        expectMessage(result, "a slot was released twice")
    }

    @Test func releasingASlotNeverTakenTraps() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            SlotTable(slots: 2).release(1)
        }
        expectMessage(result, "a slot was released twice")
    }

    @Test func releasingWithOperationsOutstandingTraps() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            let table = SlotTable(slots: 2)
            let index = table.take()!
            table[index].receive = IOCP_RECEIVE_CANCELLED
            table.release(index)
        }
        expectMessage(result, "a slot was released with operations outstanding")
    }

    @Test func releasingWithUnsentBytesTraps() async {
        let result = await #expect(processExitsWith: .signal(SIGABRT), observing: [\.standardErrorContent]) {
            let table = SlotTable(slots: 2)
            let index = table.take()!
            table[index].queue.head = 0
            table.release(index)
        }
        expectMessage(result, "a slot was released with unsent bytes")
    }
}

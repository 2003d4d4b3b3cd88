import CIOCPInternals
import Testing

@Suite struct TokenTests {
    static let workers: [UInt32] = [0, 1, (1 << 10) - 1]
    static let slots: [UInt32] = [0, 1, (1 << 20) - 1]
    static let generations: [UInt64] = [0, 1, 1 << 32, (1 << 34) - 1]
    static let operations: [iocp_operation] = (0..<16).map { iocp_operation(rawValue: $0) }

    @Test func everyFieldSurvivesPackingAtItsExtremes() {
        for slot in Self.slots {
            for generation in Self.generations {
                for operation in Self.operations {
                    let token = iocp_token_make(operation, slot, generation)
                    #expect(iocp_token_operation(token) == operation)
                    #expect(iocp_token_slot(token) == slot)
                    #expect(iocp_token_generation(token) == generation)
                }
                for worker in Self.workers {
                    let token = iocp_token_join(worker, slot, generation)
                    #expect(iocp_token_worker(token) == worker)
                    #expect(iocp_token_slot(token) == slot)
                    #expect(iocp_token_generation(token) == generation)
                }
            }
        }
    }

    /// Each field alone at its largest value: together they fill the word, and no two share a bit.
    @Test func fieldsShareNoBit() {
        let alone = [
            iocp_token_join((1 << 10) - 1, 0, 0), iocp_token_join(0, (1 << 20) - 1, 0),
            iocp_token_join(0, 0, (1 << 34) - 1),
        ]
        #expect(alone.reduce(0, |) == UInt64.max)
        #expect(alone.map(\.nonzeroBitCount).reduce(0, +) == 64)
    }

    /// The layout is public: iocp_token_slot indexes tables of the layer above, and traces record it.
    @Test func layoutIsWorkerSlotGeneration() {
        #expect(iocp_token_join(0x155, 0xa_aaaa, 0x1_2345_6789) == 0x556a_aaa9_2345_6789)
        #expect(iocp_token_make(IOCP_OPERATION_RECEIVE, 0xa_aaaa, 0x1_2345_6789) == 0x012a_aaa9_2345_6789)
    }

    @Test func anotherOperationOfTheSameSlotKeepsTheRest() {
        for first in Self.operations {
            let token = iocp_token_make(first, 0xb_cdef, 0x3_0abc_def0)
            for second in Self.operations {
                #expect(iocp_token_with(token, second) == iocp_token_make(second, 0xb_cdef, 0x3_0abc_def0))
            }
            #expect(iocp_token_connection(token, 513) == iocp_token_join(513, 0xb_cdef, 0x3_0abc_def0))
        }
    }

    @Test func generationWrapsToOne() {
        #expect(iocp_generation_next(0) == 1)
        #expect(iocp_generation_next(1) == 2)
        #expect(iocp_generation_next((1 << 34) - 2) == (1 << 34) - 1)
        #expect(iocp_generation_next((1 << 34) - 1) == 1)
    }

    @Test func zeroIsNoConnection() {
        #expect(iocp_token_join(0, 0, iocp_generation_next(0)) != 0)
        #expect(iocp_token_operation(0) == IOCP_OPERATION_NONE)
    }
}

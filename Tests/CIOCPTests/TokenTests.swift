import CIOCPInternals
import Testing

@Suite struct TokenTests {
    static let workers: [UInt32] = [0, 1, (1 << 10) - 1]
    static let slots: [UInt32] = [0, 1, (1 << 20) - 1, (1 << 22) - 1]
    static let generations: [UInt32] = [0, 1, (1 << 28) - 1]
    static let operations: [iocp_operation] = (0..<16).map { iocp_operation(rawValue: $0) }

    @Test func everyFieldSurvivesPackingAtItsExtremes() {
        for operation in Self.operations {
            for worker in Self.workers {
                for slot in Self.slots {
                    for generation in Self.generations {
                        let token = iocp_token_make(operation, worker, slot, generation)
                        #expect(iocp_token_operation(token) == operation)
                        #expect(iocp_token_worker(token) == worker)
                        #expect(iocp_token_slot(token) == slot)
                        #expect(iocp_token_generation(token) == generation)
                    }
                }
            }
        }
    }

    /// Each field alone at its largest value: together they fill the word, and no two share a bit.
    @Test func fieldsShareNoBit() {
        let alone = [
            iocp_token_make(iocp_operation(rawValue: 15), 0, 0, 0),
            iocp_token_make(IOCP_OPERATION_NONE, (1 << 10) - 1, 0, 0),
            iocp_token_make(IOCP_OPERATION_NONE, 0, (1 << 22) - 1, 0),
            iocp_token_make(IOCP_OPERATION_NONE, 0, 0, (1 << 28) - 1),
        ]
        #expect(alone.reduce(0, |) == UInt64.max)
        #expect(alone.map(\.nonzeroBitCount).reduce(0, +) == 64)
    }

    /// The layout is public (iocp_token_slot indexes tables of the layer above) and recorded in traces.
    @Test func layoutIsKindWorkerSlotGeneration() {
        #expect(iocp_token_make(IOCP_OPERATION_RECEIVE, 0x155, 0x2a_aaaa, 0x123_4567) == 0x4556_aaaa_a123_4567)
    }

    @Test func anotherOperationOfTheSameSlotKeepsTheRest() {
        for first in Self.operations {
            let token = iocp_token_make(first, 513, 0x2b_cdef, 0xabc_def0)
            for second in Self.operations {
                #expect(iocp_token_with(token, second) == iocp_token_make(second, 513, 0x2b_cdef, 0xabc_def0))
            }
        }
    }

    @Test func generationWrapsToOne() {
        #expect(iocp_generation_next(0) == 1)
        #expect(iocp_generation_next(1) == 2)
        #expect(iocp_generation_next((1 << 28) - 2) == (1 << 28) - 1)
        #expect(iocp_generation_next((1 << 28) - 1) == 1)
    }

    @Test func zeroIsNoConnection() {
        #expect(iocp_token_make(IOCP_OPERATION_CONNECTION, 0, 0, iocp_generation_next(0)) != 0)
        #expect(iocp_token_operation(0) == IOCP_OPERATION_NONE)
    }
}

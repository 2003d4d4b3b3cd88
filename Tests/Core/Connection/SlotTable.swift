import CIOCPInternals

/// A slot table of the core's, closed with its owner.
final class SlotTable {
    let table: UnsafeMutablePointer<iocp_slot_table>
    static let none = UInt32.max

    init(slots: UInt32, worker: UInt32 = 3) {
        table = .allocate(capacity: 1)
        table.initialize(to: iocp_slot_table())
        precondition(iocp_slot_table_open(table, 0, worker, slots) == 0)
    }

    deinit {
        iocp_slot_table_close(table)
        table.deallocate()
    }

    /// Takes a slot and opens it, as every caller does: a slot that stays FREE is nobody's.
    func take() -> UInt32? {
        let index = iocp_slot_take(table)
        guard index >= 0 else { return nil }
        self[UInt32(index)].state = IOCP_SLOT_OPEN
        return UInt32(index)
    }

    func release(_ index: UInt32) { iocp_slot_release(table, index) }

    func token(_ index: UInt32) -> iocp_token { iocp_slot_connection(table, pointer(index)) }

    func token(_ index: UInt32, _ operation: iocp_operation) -> UInt64 {
        iocp_slot_token(table, pointer(index), operation)
    }

    func findsOperation(_ token: UInt64) -> UInt32? {
        iocp_slot_of_operation(table, token).map { iocp_slot_index(table, $0) }
    }

    func finds(_ token: UInt64) -> UInt32? {
        iocp_slot_find(table, token).map { iocp_slot_index(table, $0) }
    }

    func pointer(_ index: UInt32) -> OpaquePointer { internals_slot_at(table, index) }

    subscript(index: UInt32) -> internals_slot {
        get { internals_slot_get(pointer(index)) }
        set { internals_slot_set(pointer(index), newValue) }
    }

    var used: UInt32 { table.pointee.used_count }
}

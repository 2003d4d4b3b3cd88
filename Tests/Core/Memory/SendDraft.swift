import CIOCPInternals

/// Calls `body` with parts that point to arrays.
func withParts<Result>(
    _ arrays: ArraySlice<[UInt8]>, _ parts: [iocp_send_part], _ body: ([iocp_send_part]) -> Result
) -> Result {
    guard let first = arrays.first else { return body(parts) }
    return first.withUnsafeBytes { bytes in
        let part = iocp_send_part(bytes: bytes.baseAddress, count_bytes: bytes.count)
        return withParts(arrays.dropFirst(), parts + [part], body)
    }
}

/// The pool's draft, with calls as a worker makes them.
struct SendDraft {
    let memory: SendMemory

    init(_ memory: SendMemory, own: Bool = false) {
        self.memory = memory
        iocp_send_draft_open(memory.pool, 0, own)
    }

    func append(_ bytes: [UInt8]) -> Int32 { iocp_send_draft_append(memory.pool, bytes, UInt32(bytes.count)) }

    /// Room for `capacity` bytes, all of it filled: with `bytes`, and 0xEE behind them.
    func reserve(_ capacity: Int, writing bytes: [UInt8]) -> Int32 {
        let result = iocp_send_draft_reserve(memory.pool, UInt32(capacity))
        guard result == 0, let start = memory.pool.pointee.draft.room_start else { return result }
        start.update(repeating: 0xEE, count: capacity)
        start.update(from: bytes, count: bytes.count)
        return result
    }

    func keep(_ count: Int) { iocp_send_draft_keep(memory.pool, UInt32(count)) }

    /// Writes in place and keeps what was written.
    func write(_ bytes: [UInt8], capacity: Int) -> Int32 {
        let result = reserve(capacity, writing: bytes)
        if result == 0 { keep(bytes.count) }
        return result
    }

    func discard() { iocp_send_draft_discard(memory.pool) }

    var count: Int { Int(memory.pool.pointee.draft.queue.unsent_bytes) }
    var room: iocp_draft_room { memory.pool.pointee.draft.room }
}

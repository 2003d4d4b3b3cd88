import CIOCPInternals
import Testing

/// What send queues of one worker share: a pool of nodes, send chunks, receive buffers; closed with its owner.
final class SendMemory {
    let chunks: UnsafeMutablePointer<iocp_send_chunks> = .allocate(capacity: 1)
    let buffers: UnsafeMutablePointer<iocp_receive_buffers> = .allocate(capacity: 1)
    let pool: UnsafeMutablePointer<iocp_send_pool> = .allocate(capacity: 1)
    static let chunkBytes = Int(IOCP_SEND_CHUNK_BYTES)
    static let none = UInt32.max

    init(nodes: UInt32 = 64, reserve: UInt32 = 0, chunks chunkCount: UInt32 = 16, buffers bufferCount: UInt32 = 16, bufferBytes: UInt32 = 65536) {
        precondition(iocp_send_chunks_open(chunks, 0, chunkCount) == 0)
        precondition(iocp_receive_buffers_open(buffers, 0, bufferBytes, bufferCount, 0, 0) == 0)
        precondition(iocp_send_pool_open(pool, 0, nodes, reserve, chunks, buffers) == 0)
    }

    deinit {
        iocp_send_pool_close(pool)
        iocp_receive_buffers_close(buffers)
        iocp_send_chunks_close(chunks)
        pool.deallocate()
        buffers.deallocate()
        chunks.deallocate()
    }

    /// Receives bytes: into a fresh buffer that the driver is done with, so that the lease alone holds it. nil when
    /// every buffer is held.
    func receive(_ bytes: [UInt8]) -> UInt16? {
        let id = iocp_receive_buffers_provide(buffers, IOCP_BUFFER_LARGE)
        guard id >= 0 else { return nil }
        start(of: UInt16(id)).update(from: bytes, count: bytes.count)
        iocp_receive_buffers_lease(buffers, UInt16(id))
        iocp_receive_buffers_driver_done(buffers, UInt16(id))
        return UInt16(id)
    }

    func start(of lease: UInt16) -> UnsafeMutablePointer<UInt8> { iocp_receive_buffers_start(buffers, lease) }
    var bufferBytes: Int { Int(buffers.pointee.classes.0.buffer_bytes) }

    var usedNodes: Int { Int(pool.pointee.used_count) }
    var freeNodes: Int { Int(pool.pointee.node_count) - usedNodes }
    var heldChunks: Int { Int(iocp_send_chunks_held(chunks)) }
    var freeChunks: Int { Int(chunks.pointee.free_count) }
    var leases: Int { Int(buffers.pointee.lease_count) }
    var roomBytes: Int { Int(iocp_send_chunks_room_bytes(chunks)) }

    /// Everything that queued sends can hold was given back.
    var holdsNothing: Bool { usedNodes == 0 && heldChunks == 0 && leases == 0 }
}

/// One connection's queue, with calls as a worker makes them.
final class SendQueue {
    let memory: SendMemory
    var queue = iocp_send_queue_empty()

    init(_ memory: SendMemory) { self.memory = memory }

    deinit { dropAll() }

    func copy(_ bytes: [UInt8], own: Bool = false) -> Int32 {
        iocp_send_queue_copy(memory.pool, &queue, bytes, UInt32(bytes.count), own)
    }

    /// A part of a send that was found to fit.
    func copyOn(_ bytes: [UInt8], own: Bool = false) -> Int32 {
        iocp_send_queue_copy_on(memory.pool, &queue, bytes, UInt32(bytes.count), own)
    }

    func copy(parts: [[UInt8]], own: Bool = false) -> Int32 {
        withParts(parts[...], []) { parts in
            let sum = parts.map(\.count_bytes).reduce(0, +)
            return iocp_send_queue_copy_parts(memory.pool, &queue, parts, UInt32(parts.count), UInt32(sum), own)
        }
    }

    /// Ends the pool's draft as this queue's. Returns how many bytes it had.
    func join() -> Int { Int(iocp_send_draft_join(memory.pool, &queue)) }

    func lease(_ lease: UInt16, from offset: Int = 0, count: Int) -> Int32 {
        iocp_send_queue_lease(memory.pool, &queue, lease, memory.start(of: lease) + offset, UInt32(count))
    }

    func shared(_ shared: OpaquePointer) -> Int32 { iocp_send_queue_shared(memory.pool, &queue, shared) }
    func mark(_ key: UInt64) -> Int32 { iocp_send_queue_mark(memory.pool, &queue, key) }
    @discardableResult
    func settle() -> Bool { iocp_send_queue_settle(memory.pool, &queue) }

    /// What a send would be offered.
    func gather(_ capacity: Int = Int(IOCP_SEND_RANGES_MAX)) -> (ranges: [iocp_range], total: Int, whole: Bool) {
        var gathered = iocp_gathered()
        let ranges = [iocp_range](unsafeUninitializedCapacity: capacity) { buffer, initialized in
            gathered = iocp_send_queue_gather(memory.pool, &queue, buffer.baseAddress, UInt32(capacity))
            initialized = Int(gathered.range_count)
        }
        return (ranges, Int(gathered.count_bytes), gathered.whole)
    }

    /// A send took `count` bytes: removes them and the marks behind them. Returns each mark's key, with how many of
    /// these bytes were before it.
    func took(_ count: Int) -> [(key: UInt64, after: Int)] {
        var marks: [(key: UInt64, after: Int)] = []
        var left = UInt32(count)
        while true {
            left = iocp_send_queue_advance(memory.pool, &queue, left)
            var key: UInt64 = 0
            while iocp_send_queue_take_mark(memory.pool, &queue, &key) { marks.append((key, count - Int(left))) }
            if left == 0 || isEmpty { break }
        }
        #expect(left == 0, "more was taken than was queued")
        return marks
    }

    /// Drops everything unsent. Returns the keys of the marks among it.
    @discardableResult
    func dropAll() -> [UInt64] {
        var keys: [UInt64] = []
        var key: UInt64 = 0
        while !isEmpty {
            if iocp_send_queue_drop(memory.pool, &queue, &key) { keys.append(key) }
        }
        return keys
    }

    var isEmpty: Bool { queue.head == SendMemory.none }
    var unsent: Int { Int(queue.unsent_bytes) }

    /// The queued pieces, from the head.
    var pieces: [Piece] {
        var all: [Piece] = []
        var index = queue.head
        while index != SendMemory.none {
            let node = memory.pool.pointee.nodes[Int(index)]
            all.append(Piece(index: index, kind: node.piece, start: node.start, count: Int(node.count_bytes), node: node))
            index = node.next
        }
        return all
    }

    struct Piece: Equatable {
        let index: UInt32
        let kind: iocp_piece
        let start: UnsafePointer<UInt8>?
        let count: Int
        let node: iocp_send_node

        static func == (a: Piece, b: Piece) -> Bool {
            a.index == b.index && a.kind == b.kind && a.start == b.start && a.count == b.count
        }
    }

    /// The bytes of ranges, one after the other.
    static func bytes(_ ranges: [iocp_range]) -> [UInt8] {
        ranges.flatMap { UnsafeBufferPointer(start: $0.start, count: $0.count_bytes) }
    }

    /// Everything unsent, as it would leave.
    var unsentBytes: [UInt8] {
        pieces.flatMap { UnsafeBufferPointer(start: $0.start, count: $0.count) }
    }
}

/// Shared bytes with one reference of the test's own.
final class Shared {
    let pointer: OpaquePointer
    let bytes: [UInt8]

    init(_ bytes: [UInt8]) {
        pointer = iocp_shared_bytes_create(UInt32(bytes.count))!
        iocp_shared_bytes_start(pointer)!.update(from: bytes, count: bytes.count)
        self.bytes = bytes
    }

    deinit { iocp_shared_bytes_release(pointer) }
}

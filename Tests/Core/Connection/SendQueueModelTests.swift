import CIOCPInternals
import Glibc
import SharedHarness
import Testing

/// Random calls on the queues of several connections that share one small memory, against plain arrays of bytes.
@Suite struct SendQueueModelTests {
    /// What a connection should send: its unsent bytes, and marks at positions among them.
    private struct Expected {
        var bytes: [UInt8] = []
        var marks: [(key: UInt64, position: Int)] = []

        mutating func take(_ count: Int) -> [(key: UInt64, after: Int)] {
            let passed = marks.prefix { $0.position <= count }.map { (key: $0.key, after: $0.position) }
            bytes.removeFirst(count)
            marks = marks.dropFirst(passed.count).map { ($0.key, $0.position - count) }
            return passed
        }
    }

    private struct Run {
        var random: Randomness
        let memory: SendMemory
        let queues: [SendQueue]
        var expected: [Expected]
        let shared: [Shared]
        var nextKey: UInt64 = 1
        var refusals = 0
        var moved = 0

        init(_ given: Randomness, nodes: UInt32, chunks: UInt32) {
            var random = given
            memory = SendMemory(nodes: nodes, chunks: chunks, buffers: 8)
            queues = (0..<4).map { [memory] _ in SendQueue(memory) }
            expected = queues.map { _ in Expected() }
            shared = [1, 100, 20_000].map { Shared(random.bytes($0)) }
            self.random = random
        }

        mutating func step() {
            let at = random.below(queues.count)
            switch random.below(16) {
            case 0...3: copy(at, own: false)
            case 4...5: copy(at, own: true)
            case 6...7: lease(at)
            case 8: shareBytes(at)
            case 9: mark(at)
            case 10...11: draft(at)
            case 12...14: send(at)
            default: if random.happens(oneIn: 8) { drop(at) }
            }
            check(at)
        }

        mutating func copy(_ at: Int, own: Bool) {
            let bytes = random.bytes(random.magnitude(upTo: 3 * SendMemory.chunkBytes))
            let before = queues[at].pieces, nodes = memory.freeNodes, room = memory.roomBytes
            let sure = bytes.count / SendMemory.chunkBytes + 2 <= nodes
                && bytes.count <= memory.freeChunks * SendMemory.chunkBytes
            let used = memory.chunks.pointee.current_used_bytes
            let inParts = random.happens(oneIn: 3)
            switch inParts ? queues[at].copy(parts: cut(bytes), own: own) : queues[at].copy(bytes, own: own) {
            case 0:
                expected[at].bytes += bytes
                if !own { #expect(bytes.count <= room) }
            case -ENOBUFS:
                refusals += 1
                #expect(!sure, "\(bytes.count) bytes were refused although they fit")
                #expect(queues[at].pieces == before)
                #expect(memory.freeNodes == nodes && memory.roomBytes == room)
                #expect(memory.chunks.pointee.current_used_bytes == used)
            case let other:
                Issue.record("copy answered \(other)")
            }
        }

        /// The bytes in parts, some of them empty.
        mutating func cut(_ bytes: [UInt8]) -> [[UInt8]] {
            var parts: [[UInt8]] = [[]]
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = min(rest.count, random.magnitude(upTo: bytes.count))
                parts.append(Array(rest.prefix(count)))
                rest = rest.dropFirst(count)
            }
            return parts
        }

        /// A send that is written piece by piece, and then queued or given up.
        mutating func draft(_ at: Int) {
            let pieces = queues[at].pieces, nodes = memory.usedNodes, leases = memory.leases, room = memory.roomBytes
            let draft = SendDraft(memory, own: random.happens(oneIn: 3))
            var written: [UInt8] = []
            var refused = false
            for _ in 0...random.below(4) {
                let bytes = random.bytes(random.magnitude(upTo: SendMemory.chunkBytes))
                let capacity = bytes.count + random.below(SendMemory.chunkBytes - bytes.count + 1)
                let result = random.happens(oneIn: 2) && capacity > 0
                    ? draft.write(bytes, capacity: capacity) : draft.append(bytes)
                if result == 0 { written += bytes }
                refused = refused || result < 0
                #expect(result == 0 || result == -ENOBUFS)
                #expect(draft.count == written.count)
            }
            #expect(queues[at].pieces == pieces && memory.leases == leases)
            if refused { refusals += 1 }
            if refused || random.happens(oneIn: 4) {
                draft.discard()
                #expect(queues[at].pieces == pieces && memory.usedNodes == nodes)
                // What was left of a chunk that it filled up is lost until that chunk was sent.
                #expect(memory.roomBytes >= room - SendMemory.chunkBytes)
            } else {
                #expect(queues[at].join() == written.count)
                expected[at].bytes += written
            }
        }

        mutating func lease(_ at: Int) {
            let count = random.magnitude(upTo: memory.bufferBytes)
            let bytes = random.bytes(count)
            guard let lease = memory.receive(bytes) else { return }
            let from = random.below(count)
            let before = queues[at].pieces
            if queues[at].lease(lease, from: from, count: count - from) == 0 {
                expected[at].bytes += bytes[from...]
            } else {
                refusals += 1
                #expect(memory.freeNodes == 0)
                #expect(queues[at].pieces == before)
                iocp_receive_buffers_return(memory.buffers, lease)
            }
        }

        mutating func shareBytes(_ at: Int) {
            let bytes = shared[random.below(shared.count)]
            if queues[at].shared(bytes.pointer) == 0 {
                expected[at].bytes += bytes.bytes
            } else {
                refusals += 1
                #expect(memory.freeNodes == 0)
            }
        }

        mutating func mark(_ at: Int) {
            if queues[at].mark(nextKey) == 0 {
                expected[at].marks.append((nextKey, expected[at].bytes.count))
                nextKey += 1
            } else {
                refusals += 1
                #expect(memory.freeNodes == 0)
            }
        }

        /// One send: offered, taken in whole or in part, and settled when in part.
        mutating func send(_ at: Int) {
            let capacity = random.happens(oneIn: 3) ? 1 + random.below(4) : Int(IOCP_SEND_RANGES_MAX)
            let (ranges, total, _) = queues[at].gather(capacity)
            expectOffer(ranges, total, capacity, at)
            let taken = random.happens(oneIn: 2) ? total : random.below(total + 1)
            let marks = queues[at].took(taken)
            let due = expected[at].take(taken)
            #expect(marks.map(\.key) == due.map(\.key))
            #expect(marks.map(\.after) == due.map(\.after))
            if taken < total { settle(at) }
        }

        func expectOffer(_ ranges: [iocp_range], _ total: Int, _ capacity: Int, _ at: Int) {
            let wanted = expected[at].bytes
            #expect(ranges.map(\.count_bytes).reduce(0, +) == total)
            #expect(total <= wanted.count)
            #expect(total == wanted.count || ranges.count == capacity)
            #expect(ranges.allSatisfy { $0.count_bytes > 0 })
            var offset = 0
            for (range, next) in zip(ranges, ranges.dropFirst().map(\.start) + [nil]) {
                let same = wanted.withUnsafeBytes { memcmp($0.baseAddress! + offset, range.start, range.count_bytes) == 0 }
                #expect(same, "other bytes leave than were queued, from \(offset)")
                #expect(range.start + range.count_bytes != next, "two ranges are neighbours")
                offset += range.count_bytes
            }
        }

        mutating func settle(_ at: Int) {
            let before = queues[at].pieces.filter(isWorthMoving)
            let chunks = before.map { ($0.count - 1) / SendMemory.chunkBytes + 1 }.reduce(0, +)
            let nodes = before.map { $0.count / SendMemory.chunkBytes + 2 }.reduce(0, +)
            // What stalled pieces hold already, or keep in their places, and one chunk in four, is not to be had.
            let kept = queues[at].pieces.count { $0.kind == IOCP_PIECE_CHUNK && !isWorthMoving($0) }
            let spare = Int(memory.chunks.pointee.chunk_count - iocp_send_pool_reserve_chunks(memory.pool))
                - Int(memory.chunks.pointee.stalled_count) - kept
            let allFit = chunks <= min(memory.freeChunks, spare) && nodes <= memory.freeNodes
            queues[at].settle()
            let left = queues[at].pieces.count(where: isWorthMoving)
            moved += before.count - left
            if allFit { #expect(left == 0, "a piece stayed where others need the room") }
        }

        /// A lease, or a small part of a chunk that is shared, also one that found no room before.
        func isWorthMoving(_ piece: SendQueue.Piece) -> Bool {
            let isShared = piece.kind == IOCP_PIECE_CHUNK || piece.kind == IOCP_PIECE_LEFT
            return piece.kind == IOCP_PIECE_LEASE || (isShared && piece.count < SendMemory.chunkBytes / 2)
        }

        mutating func drop(_ at: Int) {
            #expect(queues[at].dropAll() == expected[at].marks.map(\.key))
            expected[at] = Expected()
        }

        /// The queue against its model, and every count against what is queued.
        func check(_ at: Int) {
            #expect(queues[at].unsent == expected[at].bytes.count)
            #expect(queues[at].isEmpty == (expected[at].bytes.isEmpty && expected[at].marks.isEmpty))
            let pieces = queues.map(\.pieces)
            #expect(pieces[at].map(\.count).reduce(0, +) == queues[at].unsent)
            #expect(pieces[at].last?.index ?? SendMemory.none == queues[at].queue.tail)
            let all = pieces.joined()
            #expect(all.count == memory.usedNodes)
            #expect(all.count { $0.kind == IOCP_PIECE_LEASE } == memory.leases)
            expectReferences(Array(all))
        }

        func expectReferences(_ pieces: [SendQueue.Piece]) {
            let chunks = memory.chunks.pointee
            var references = [UInt32](repeating: 0, count: Int(chunks.chunk_count))
            var owned: Set<UInt32> = []
            var left: Set<UInt32> = []
            for piece in pieces where [IOCP_PIECE_CHUNK, IOCP_PIECE_OWN, IOCP_PIECE_LEFT].contains(piece.kind) {
                references[Int(piece.node.owner.chunk)] += 1
                if piece.kind == IOCP_PIECE_OWN { #expect(owned.insert(piece.node.owner.chunk).inserted) }
                if piece.kind == IOCP_PIECE_LEFT { left.insert(piece.node.owner.chunk) }
            }
            #expect(owned.isDisjoint(with: left) && owned.count + left.count == chunks.stalled_count)
            if chunks.current != SendMemory.none {
                references[Int(chunks.current)] += 1
                #expect(!owned.contains(chunks.current))
            }
            #expect(references.indices.allSatisfy { references[$0] == chunks.references[$0] })
            #expect(memory.freeChunks == references.count { $0 == 0 })
        }
    }

    @Test(arguments: [(64, 12), (12, 24), (64, 4)] as [(UInt32, UInt32)])
    func queuesSendWhatWasAskedInThatOrder(nodes: UInt32, chunks: UInt32) {
        var run = Run(.announced("queuesSendWhatWasAskedInThatOrder(\(nodes), \(chunks))"), nodes: nodes, chunks: chunks)
        for _ in 0..<4_000 { run.step() }
        for at in run.queues.indices { run.drop(at) }
        #expect(run.memory.holdsNothing)
        #expect(run.refusals > 0 && run.moved > 0, "the run met no shortage, or settled nothing")
    }
}

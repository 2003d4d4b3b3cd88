import CIOCPInternals
import Glibc
import SharedHarness
import Testing

/// Sends in parts, and sends that are written piece by piece, against the bounds of a worker and its connections.
@Suite struct WritingTests {
    private static let chunk = Int(IOCP_SEND_CHUNK_BYTES)

    private func make(policy: iocp_overflow_policy = IOCP_OVERFLOW_REFUSE, cap: UInt32 = 100_000) -> ScriptedWorker {
        ScriptedWorker(chunks: 16) {
            $0.overflow_policy = policy
            $0.send_low_bytes = 1
            $0.send_high_bytes = 50_000
            $0.send_cap_bytes = cap
        }
    }

    /// The bytes of the sends that the worker asks its driver for.
    private func sent(_ worker: ScriptedWorker, on connection: iocp_token? = nil) -> [UInt8] {
        _ = worker.poll()
        let sends = worker.requests().filter { $0.kind == INTERNALS_REQUEST_SEND }
        guard let connection else { return sends.flatMap(\.bytes) }
        return sends.filter { $0.call.token == iocp_token_with(connection, IOCP_OPERATION_SEND) }.flatMap(\.bytes)
    }

    private func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) } }

    /// A connection whose socket is full, with one byte taken of what it sent.
    private func stall(_ worker: ScriptedWorker, _ connection: iocp_token) {
        #expect(worker.send(connection, bytes(1000)) == 0)
        _ = worker.settle()
        worker.report(iocp_token_with(connection, IOCP_OPERATION_SEND), 1)
        _ = worker.settle()
        _ = worker.requests()
    }

    // MARK: - Parts

    @Test func partsAreOneSend() {
        let worker = make(), connection = worker.open()
        #expect(worker.send(connection, parts: [[1], [2, 3], [], [4]]) == 0)
        #expect(worker.send(connection, parts: []) == 0)
        #expect(worker.unsent == 4 && sent(worker) == [1, 2, 3, 4])
    }

    @Test func partsAreCountedTogether() {
        let worker = make(cap: 100), connection = worker.open()
        #expect(worker.send(connection, parts: [bytes(50), bytes(51)]) == -EMSGSIZE)
        #expect(worker.send(connection, parts: [bytes(50), bytes(50)]) == 0)
        #expect(worker.send(connection, parts: [[1], []]) == -EAGAIN)
        #expect(worker.stats.refused_sends == 2 && worker.unsent == 100)
    }

    @Test func moreThan64PartsAreRefused() {
        let worker = make(), connection = worker.open()
        #expect(worker.send(connection, parts: [[UInt8]](repeating: [1], count: 64)) == 0)
        #expect(worker.send(connection, parts: [[UInt8]](repeating: [1], count: 65)) == -EINVAL)
        #expect(worker.unsent == 64)
    }

    /// Sizes whose sum is no number any more. Nobody reads them.
    @Test func aSumThatOverflowsIsTooLarge() {
        let worker = make(), connection = worker.open()
        for sizes in [[Int.max, Int.max, 2], [1, Int(UInt32.max)], [Int(UInt32.max), 1], [Int.min, Int.min]] {
            let parts = sizes.map { iocp_send_part(bytes: nil, count_bytes: $0) }
            #expect(iocp_send_parts(worker.worker, connection, parts, UInt32(parts.count)) == -EMSGSIZE)
        }
        #expect(worker.unsent == 0)
    }

    // MARK: - Drafts

    @Test func aDraftLeavesWhenItIsSent() {
        let worker = make(), connection = worker.open()
        #expect(worker.openDraft(connection) == 0)
        #expect(worker.append([1, 2]) == 0 && worker.write([3, 4], capacity: 100) == 0 && worker.append([5]) == 0)
        #expect(sent(worker).isEmpty && worker.unsent == 0)
        #expect(worker.sendDraft() == 0)
        #expect(worker.unsent == 5 && sent(worker) == [1, 2, 3, 4, 5])
    }

    @Test func whileADraftIsOpenNothingElseIsSent() {
        let worker = make(), connection = worker.open(), other = worker.open()
        let shared = Shared([1])
        #expect(worker.openDraft(connection) == 0)
        for token in [connection, other] {
            #expect(worker.send(token, [1]) == -EBUSY && worker.send(token, []) == -EBUSY)
            #expect(worker.send(token, parts: [[1]]) == -EBUSY && worker.openDraft(token) == -EBUSY)
            #expect(iocp_send_shared(worker.worker, token, shared.pointer) == -EBUSY)
            #expect(iocp_send_lease(worker.worker, token, 0, [1], 1) == -EBUSY)
            #expect(iocp_send_notify(worker.worker, token, 1) == -EBUSY)
        }
        #expect(worker.append([7]) == 0 && worker.sendDraft() == 0)
        #expect(worker.send(other, [8]) == 0)
        #expect(worker.stats.refused_sends == 0, "nothing was short")
        #expect(worker.unsent == 2 && worker.settle().isEmpty)
    }

    @Test func withoutADraftThereIsNothingToWrite() {
        let worker = make(), connection = worker.open()
        func expectNone() {
            #expect(worker.append([1]) == -EINVAL && worker.write([1], capacity: 1) == -EINVAL)
            #expect(iocp_draft_keep(worker.worker, 0) == -EINVAL && worker.sendDraft() == -EINVAL)
        }
        expectNone()
        #expect(worker.openDraft(connection) == 0 && worker.append([1]) == 0)
        worker.discardDraft()
        worker.discardDraft()
        expectNone()
        #expect(worker.unsent == 0 && worker.holdings.send_nodes == 0)
    }

    @Test func roomIsAtMostAChunk() {
        let worker = make(), connection = worker.open()
        #expect(worker.openDraft(connection) == 0)
        #expect(worker.write([], capacity: 0) == 0)
        #expect(worker.write(bytes(Self.chunk), capacity: Self.chunk) == 0)
        #expect(worker.write([1], capacity: Self.chunk + 1) == -EINVAL)
        #expect(worker.sendDraft() == -EINVAL && worker.unsent == 0)
        #expect(worker.openDraft(connection) == 0)
        #expect(worker.write([], capacity: -1) == -EINVAL)
        worker.discardDraft()
    }

    /// Half of a message is worse than none.
    @Test func aRefusalIsFinal() {
        let worker = make(cap: 100), connection = worker.open()
        #expect(worker.send(connection, [9]) == 0)
        #expect(worker.openDraft(connection) == 0)
        #expect(worker.append(bytes(60)) == 0 && worker.append(bytes(40)) == -EAGAIN)
        #expect(worker.append([1]) == -EAGAIN && worker.write([1], capacity: 1) == -EAGAIN)
        #expect(worker.sendDraft() == -EAGAIN && worker.unsent == 1)
        #expect(worker.stats.refused_sends == 1)
        #expect(worker.openDraft(connection) == 0)
        #expect(worker.append(bytes(60)) == 0 && worker.write([], capacity: 41) == -EMSGSIZE)
        worker.discardDraft()
        // The refused sender is told when to try again.
        _ = worker.settle()
        worker.report(iocp_token_with(connection, IOCP_OPERATION_SEND), 1)
        #expect(worker.settle().map(\.kind) == [IOCP_COMPLETION_WRITABLE])
    }

    @Test func capacityCountsAsBytesThatAreWritten() {
        let worker = make(cap: 100), connection = worker.open()
        #expect(worker.openDraft(connection) == 0 && worker.write([1], capacity: 101) == -EMSGSIZE)
        worker.discardDraft()
        #expect(worker.openDraft(connection) == 0 && worker.write([1], capacity: 100) == 0 && worker.sendDraft() == 0)
        #expect(worker.unsent == 1)
    }

    @Test func whereTheCapClosesADraftOverItDoes() {
        let worker = make(policy: IOCP_OVERFLOW_CLOSE, cap: 100), connection = worker.open()
        #expect(worker.openDraft(connection) == 0)
        #expect(worker.append(bytes(60)) == 0 && worker.append(bytes(60)) == -EMSGSIZE && worker.sendDraft() == -EMSGSIZE)
        #expect(worker.finishClosing()?.detail == UInt16(IOCP_CLOSE_SEND_OVERFLOW.rawValue))
        #expect(worker.holdsNothing)
    }

    // MARK: - What happens meanwhile

    @Test func aConnectionThatEndsMeanwhileSendsNothing() {
        for (end, code) in [(iocp_close, ENOTCONN), (iocp_abort, ENOTCONN), (iocp_finish_sending, EPIPE)] {
            let worker = make(), connection = worker.open()
            #expect(worker.openDraft(connection) == 0 && worker.append([1]) == 0)
            #expect(end(worker.worker, connection) == 0)
            #expect(worker.sendDraft() == -code && worker.unsent == 0 && worker.holdings.send_nodes == 0)
            #expect(sent(worker).isEmpty)
            #expect(worker.openDraft(connection) == -code)
        }
    }

    @Test func aCapThatIsLoweredMeanwhileHolds() {
        let worker = make(), connection = worker.open()
        #expect(worker.openDraft(connection) == 0 && worker.append(bytes(60)) == 0)
        var marks = iocp_send_marks(low_bytes: 1, high_bytes: 50, cap_bytes: 50)
        #expect(iocp_connection_set_marks(worker.worker, connection, &marks) == 0)
        #expect(worker.sendDraft() == -EMSGSIZE && worker.unsent == 0)
    }

    /// A loop of one's own may wait in the middle. What it wrote lies in a chunk of everybody's, which a full socket must
    /// not keep.
    @Test func aSocketThatFillsMeanwhileRefusesTheDraft() {
        let worker = make(), connection = worker.open()
        #expect(worker.send(connection, bytes(1000)) == 0)
        #expect(worker.openDraft(connection) == 0 && worker.write([1, 2], capacity: 100) == 0)
        _ = worker.settle()
        worker.report(iocp_token_with(connection, IOCP_OPERATION_SEND), 1)
        _ = worker.settle()
        #expect(worker.sendDraft() == -ENOBUFS && worker.unsent == 999)
        #expect(worker.holdings.send_chunks == 1 && worker.send(connection, [3]) == 0)
    }

    /// Everything else in the chunk is sent by then, which lets a chunk start over.
    @Test func roomStaysWhereItIsInAWait() {
        let worker = make(), connection = worker.open(), other = worker.open()
        #expect(worker.send(other, bytes(1000)) == 0)
        #expect(worker.openDraft(connection) == 0)
        var start: UnsafeMutablePointer<UInt8>?
        #expect(iocp_draft_reserve(worker.worker, 100, &start) == 0)
        _ = worker.settle()
        worker.report(iocp_token_with(other, IOCP_OPERATION_SEND), 1000)
        _ = worker.settle()
        start!.update(from: [7, 8, 9], count: 3)
        #expect(iocp_draft_keep(worker.worker, 3) == 0 && worker.append([10]) == 0 && worker.sendDraft() == 0)
        #expect(sent(worker, on: connection) == [7, 8, 9, 10])
    }

    @Test func aConnectionThatTookTheSlotOverGetsNothing() {
        let worker = ScriptedWorker(connections: 1), connection = worker.open()
        #expect(worker.openDraft(connection) == 0 && worker.append([1]) == 0)
        #expect(iocp_abort(worker.worker, connection) == 0 && worker.finishClosing() != nil)
        let next = worker.open()
        #expect(worker.sendDraft() == -ENOTCONN)
        #expect(sent(worker).isEmpty && iocp_connection_unsent_bytes(worker.worker, next) == 0)
    }

    // MARK: - Behind a full socket

    @Test func behindAFullSocketADraftHasAChunkOfItsOwn() {
        let worker = make(), connection = worker.open(), other = worker.open()
        stall(worker, connection)
        #expect(worker.send(other, [5]) == 0)
        let chunks = worker.holdings.send_chunks
        for byte in 0..<50 {
            #expect(worker.openDraft(connection) == 0)
            #expect(worker.write([UInt8(byte)], capacity: 1000) == 0 && worker.sendDraft() == 0)
            #expect(worker.send(connection, parts: [[100], [UInt8(byte)]]) == 0)
        }
        #expect(worker.holdings.send_chunks == chunks, "all of it lies where the rest of the short send does")
        #expect(worker.unsent == 999 + 150 + 1)
        worker.report(iocp_token_with(connection, IOCP_OPERATION_SEND), 999)
        #expect(sent(worker, on: connection) == (0..<50).flatMap { [UInt8($0), 100, UInt8($0)] })
    }

    @Test func theReserveIsNotForDraftsBehindAFullSocket() {
        let worker = make(cap: 1 << 20), connection = worker.open(), live = worker.open()
        stall(worker, connection)
        var taken = 0
        while worker.openDraft(connection) == 0, worker.write(bytes(Self.chunk), capacity: Self.chunk) == 0 {
            #expect(worker.sendDraft() == 0)
            taken += 1
        }
        #expect(worker.sendDraft() == -ENOBUFS && taken > 0 && worker.holdings.send_chunks <= 12)
        #expect(worker.openDraft(live) == 0 && worker.write(bytes(Self.chunk), capacity: Self.chunk) == 0)
        #expect(worker.sendDraft() == 0)
    }

    // MARK: - Threads

    @Test func anotherThreadHasNoDraft() {
        let worker = make(), connection = worker.open()
        #expect(worker.openDraft(connection) == 0)
        let results = elsewhere {
            defer { worker.discardDraft() }
            return [
                worker.openDraft(connection), worker.append([1]), worker.write([1], capacity: 1), worker.sendDraft(),
            ]
        }
        #expect(results == [Int32](repeating: -EPERM, count: 4))
        #expect(worker.append([2]) == 0 && worker.sendDraft() == 0 && sent(worker) == [2])
    }
}

extension ScriptedWorker {
    fileprivate func send(_ connection: iocp_token, parts: [[UInt8]]) -> Int32 {
        withParts(parts[...], []) { iocp_send_parts(worker, connection, $0, UInt32($0.count)) }
    }

    fileprivate func openDraft(_ connection: iocp_token) -> Int32 { iocp_draft_open(worker, connection) }
    fileprivate func append(_ bytes: [UInt8]) -> Int32 { iocp_draft_append(worker, bytes, bytes.count) }

    /// Writes in place and keeps what was written.
    fileprivate func write(_ bytes: [UInt8], capacity: Int) -> Int32 {
        var start: UnsafeMutablePointer<UInt8>?
        let result = iocp_draft_reserve(worker, capacity, &start)
        guard result == 0 else { return result }
        start?.update(from: bytes, count: bytes.count)
        return iocp_draft_keep(worker, UInt32(bytes.count))
    }

    fileprivate func sendDraft() -> Int32 { iocp_draft_send(worker) }
    fileprivate func discardDraft() { iocp_draft_discard(worker) }
}

#if NIO
import IOCP
import NIOCore

/// How bytes come in.
///
/// As at NIO's own channels a `read()` asks for one round: as many `channelRead` as are there, at most
/// `maxMessagesPerRead`, and then `channelReadComplete`. What arrives unasked is held here, up to a bound from which on the
/// peer is held back; its FIN and what precedes it are delivered unasked, as NIO does.
extension StreamChannel {
    struct Reads {
        /// A `read()` was not answered yet.
        var isAsked = false
        var isAutomatic = true
        /// In this round.
        var count: UInt = 0
        var countMax: UInt = 4
        var sizes = ReadSizes()
        /// What arrived unasked.
        var held = CircularBuffer<ByteBuffer>(initialCapacity: 0)
        var heldBytes = 0
        var isPaused = false
        var end: End?
        /// No more is read: FIN was told, or the input closed.
        var isFinished = false
        var allowsHalfClosure = false
        var hasTurn = false

        enum End {
            case finished
            case failed(any Error)
        }

        var hasSomethingHeld: Bool { !held.isEmpty || end != nil }

        /// Whether a read may be told: one was asked for, or this round has begun and has more.
        var mayTell: Bool { isAsked || (count > 0 && count < countMax) }

        mutating func finish() {
            isFinished = true
            isAsked = false
            held = CircularBuffer(initialCapacity: 0)
            heldBytes = 0
        }
    }

    /// Unasked bytes from which on a channel receives no more.
    private static let heldBytesMax = 64 * 1024

    // MARK: - From the worker

    func received(_ bytes: consuming ReceivedBytes) {
        guard !reads.isFinished else { return }
        let lent = bytes
        unsafe lent.bytes.withUnsafeBytes { source in unsafe received(source) }
    }

    private func received(_ bytes: UnsafeRawBufferPointer) {
        var rest = unsafe bytes
        while unsafe !rest.isEmpty, life == .active, reads.mayTell, reads.held.isEmpty {
            let count = min(rest.count, reads.sizes.next())
            let part = unsafe UnsafeRawBufferPointer(rebasing: rest.prefix(count))
            unsafe rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(count))
            reads.sizes.record(count)
            deliver(unsafe loop.state.buffers.fill(part, allocator: settings.allocator))
        }
        if unsafe !rest.isEmpty, life != .closed, !reads.isFinished { unsafe hold(rest) }
    }

    private func hold(_ bytes: UnsafeRawBufferPointer) {
        reads.held.append(unsafe settings.allocator.buffer(bytes: bytes))
        reads.heldBytes += bytes.count
        guard reads.heldBytes >= Self.heldBytesMax, !reads.isPaused, let connection else { return }
        reads.isPaused = (try? worker?.pauseReceiving(connection)) != nil
    }

    func peerFinished() {
        guard !reads.isFinished else { return }
        reads.end = .finished
        if life == .active { deliverHeld() }
    }

    // MARK: - To the pipeline

    private func deliver(_ buffer: ByteBuffer) {
        reads.isAsked = false
        reads.count += 1
        pipeline.syncOperations.fireChannelRead(NIOAny(buffer))
    }

    private func takeHeld() -> ByteBuffer {
        var first = reads.held.removeFirst()
        let count = min(first.readableBytes, reads.sizes.next())
        reads.sizes.record(count)
        reads.heldBytes -= count
        guard count < first.readableBytes, let part = first.readSlice(length: count) else { return first }
        reads.held.prepend(first)
        return part
    }

    /// A round of what is held, if one was asked for; all of it, and then the end, where that has come.
    func deliverHeld() {
        while !reads.held.isEmpty, life == .active, !reads.isFinished, reads.end != nil || reads.mayTell {
            deliver(takeHeld())
        }
        guard life == .active, !reads.isFinished else { return }
        if reads.held.isEmpty, reads.end != nil { deliverEnd() } else { completeReads() }
    }

    func deliverEnd() {
        let end = reads.end
        reads.end = nil
        switch end {
        case nil: break
        case .failed(let error):
            if case ChannelError.eof = error {
                completeRound()
            } else {
                pipeline.syncOperations.fireErrorCaught(error)
            }
            if life != .closed { close0(error: error, mode: .all, promise: nil) }
        case .finished:
            reads.count = 0
            pipeline.syncOperations.fireChannelReadComplete()
            guard life == .active, !reads.isFinished else { return }
            guard reads.allowsHalfClosure, !writes.isFinished else {
                return close0(error: ChannelError.eof, mode: .all, promise: nil)
            }
            close0(error: ChannelError.eof, mode: .input, promise: nil)
        }
    }

    /// The end of a round. Called for every channel that the worker had bytes for.
    func completeReads() {
        guard life == .active, !reads.isFinished else { return }
        completeRound()
        guard life == .active else { return }
        readIfNeeded()
        if reads.hasSomethingHeld, reads.isAsked { askForTurn() }
    }

    private func completeRound() {
        guard reads.count > 0 else { return }
        reads.count = 0
        pipeline.syncOperations.fireChannelReadComplete()
    }

    // MARK: - Asking

    func readIfNeeded() {
        if !reads.isAsked, reads.isAutomatic, !reads.isFinished { pipeline.syncOperations.read() }
    }

    func read0() {
        guard life != .closed, !reads.isFinished else { return }
        reads.isAsked = true
        guard life == .active else { return }
        if reads.hasSomethingHeld { askForTurn() }
        guard reads.isPaused, let connection else { return }
        reads.isPaused = (try? worker?.resumeReceiving(connection)) == nil
    }

    /// A read is never answered within its call.
    func askForTurn() {
        guard !reads.hasTurn else { return }
        reads.hasTurn = true
        loop.state.serveSoon(self)
    }
}
#endif

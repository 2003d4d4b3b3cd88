#if NIO
import Glibc
import IOCP
import NIOCore

/// How bytes go out.
///
/// What is flushed is handed to the worker, which sends it with its next wait: small writes are copied into the memory they
/// leave from, large ones by reference. A channel hands over at most ``handedBytesMax`` ahead of its peer; the rest waits here,
/// by reference, until the worker says that it has room again.
extension StreamChannel {
    struct Writes {
        var pending = MarkedCircularBuffer<PendingWrite>(initialCapacity: 4)
        /// Of the pending ones.
        var pendingBytes = 0
        var mark = ChannelOptions.Types.WriteBufferWaterMark(low: 32 * 1024, high: 64 * 1024)
        /// Handed over so far.
        var handedBytes: UInt64 = 0
        /// Promises of what was handed over, with its place among all bytes.
        var promised = CircularBuffer<(place: UInt64, promise: EventLoopPromise<Void>)>(initialCapacity: 0)
        /// Up to where a `sent` is asked for; nil: none is.
        var asked: UInt64?
        /// An `unsentFell` is asked for.
        var awaitsRoom = false
        var triesLater = false
        var isFlushing = false
        /// Asked to end the output, which is done when nothing is pending.
        var finishPromises: [EventLoopPromise<Void>] = []
        var isFinishing = false
        /// FIN was sent.
        var isFinished = false
        /// The connection has ended: what was not told as sent by then may not have been.
        var isCut = false
        var spinCount: UInt = 16
    }

    struct PendingWrite {
        var data: IOData
        let promise: EventLoopPromise<Void>?
    }

    /// Bytes that a channel hands to its worker ahead of its peer.
    private static let handedBytesMax = 4 * 1024 * 1024
    /// At and above, bytes are sent by reference.
    private static let referredBytesMin = 16 * 1024
    /// Of one send by reference.
    private static let pieceBytesMax = 1024 * 1024
    private static let fileBytesMax = 128 * 1024

    // MARK: - From the pipeline

    func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard life != .closed else { return promise?.fail(ChannelError.ioOnClosedChannel) ?? () }
        guard !writes.isFinished else { return promise?.fail(ChannelError.outputClosed) ?? () }
        let data = unwrapData(data, as: IOData.self)
        writes.pendingBytes += data.readableBytes
        writes.pending.append(PendingWrite(data: data, promise: promise))
        if writes.pendingBytes > writes.mark.high { becomeUnwritable() }
    }

    func flush0() {
        guard life != .closed else { return }
        writes.pending.mark()
        if life == .active || life == .activating { flushNow() }
    }

    var unsentBytes: Int { connection.flatMap { worker?.unsentByteCount(of: $0) } ?? 0 }

    // MARK: - To the worker

    func flushNow() {
        guard !writes.isFlushing, writes.pending.hasMark, let worker, let connection else { return }
        let unsent = worker.unsentByteCount(of: connection)
        let isPressed = unsent > 0 && unsent + writes.pendingBytes > writes.mark.high
        writes.isFlushing = true
        let room = handOver(worker, connection, atMost: Self.handedBytesMax - unsent)
        writes.isFlushing = false
        // What the peer did not take counts, as it does where it waits in a channel of NIO's.
        if isPressed { becomeUnwritable() }
        settle(worker, connection, hasRoom: room)
    }

    /// Hands flushed writes over in their order.
    /// - Returns: false where the worker took no more, for its memory's or the limit's sake.
    private func handOver(_ worker: Worker, _ connection: Connection, atMost limit: Int) -> Bool {
        var left = limit
        while writes.pending.hasMark, let first = writes.pending.first {
            guard left > 0 || first.data.readableBytes == 0 else { return false }
            do {
                let taken = try hand(first.data, to: worker, connection)
                left -= taken
                advance(by: taken, of: first)
            } catch let error as IOCPError {
                return !error.isShortage
            } catch {
                fail(first, error)
            }
        }
        return true
    }

    /// Hands over the first part of some data, or all of it.
    private func hand(_ data: IOData, to worker: Worker, _ connection: Connection) throws -> Int {
        switch data {
        case .byteBuffer(let buffer):
            guard buffer.readableBytes >= Self.referredBytesMin else {
                try worker.send(buffer.readableBytesSpan, to: connection)
                return buffer.readableBytes
            }
            return try unsafe buffer.withUnsafeReadableBytesWithStorageManagement { bytes, storage in
                let piece = unsafe UnsafeRawBufferPointer(rebasing: bytes.prefix(Self.pieceBytesMax))
                // The storage is not written while it is held here: a buffer that shares it copies before it writes.
                try unsafe worker.send(piece, keptBy: storage.takeUnretainedValue(), to: connection)
                return piece.count
            }
        case .fileRegion(let region):
            let buffer = try region.nextBytes(atMost: Self.fileBytesMax)
            return try hand(.byteBuffer(buffer), to: worker, connection)
        }
    }

    private func advance(by count: Int, of first: PendingWrite) {
        writes.pendingBytes -= count
        writes.handedBytes += UInt64(count)
        guard count == first.data.readableBytes else {
            var rest = first.data
            rest.skip(count)
            let index = writes.pending.startIndex
            writes.pending[index] = PendingWrite(data: rest, promise: first.promise)
            return
        }
        _ = writes.pending.removeFirst()
        if let promise = first.promise { writes.promised.append((writes.handedBytes, promise)) }
    }

    /// A write that cannot be made, as of a file that cannot be read: it alone fails.
    private func fail(_ first: PendingWrite, _ error: any Error) {
        _ = writes.pending.removeFirst()
        writes.pendingBytes -= first.data.readableBytes
        first.promise?.fail(error)
    }

    /// What follows a flush: who waits for the bytes, and who for room.
    private func settle(_ worker: Worker, _ connection: Connection, hasRoom: Bool) {
        askWhenSent(worker, connection)
        if !hasRoom || !isWritable { awaitRoom(worker, connection) }
        if writes.isFinishing, writes.pending.isEmpty { finishNow(worker, connection) }
    }

    // MARK: - Promises

    /// One `sent` at a time, for all promises up to it.
    private func askWhenSent(_ worker: Worker, _ connection: Connection) {
        guard !writes.promised.isEmpty, writes.asked == nil else { return }
        do {
            try worker.notifyWhenSent(connection, key: 0)
            writes.asked = writes.handedBytes
        } catch {
            // Closing: what ends the connection fails them. Without a queue node: tried again.
            if error.isShortage { tryLater() }
        }
    }

    func wrote(_ error: IOCPError?) {
        guard let asked = writes.asked else { return }
        writes.asked = nil
        while let first = writes.promised.first, first.place <= asked {
            _ = writes.promised.removeFirst()
            if let error { first.promise.fail(error.asNIO) } else { first.promise.succeed(()) }
        }
        if life != .closed, let worker, let connection { askWhenSent(worker, connection) }
    }

    // MARK: - Room

    private func becomeUnwritable() {
        guard isWritable else { return }
        setWritable(false)
        pipeline.syncOperations.fireChannelWritabilityChanged()
    }

    private func awaitRoom(_ worker: Worker, _ connection: Connection) {
        guard !writes.awaitsRoom else { return }
        let unsent = worker.unsentByteCount(of: connection)
        guard unsent > 0 else {
            // Nothing of this channel's is in the way: other channels have the memory, or only unflushed bytes are left.
            if writes.pending.hasMark { tryLater() } else { becomeWritableIfBelow() }
            return
        }
        let limit = writes.pending.hasMark ? max(1, min(unsent, Self.handedBytesMax / 2)) : max(1, writes.mark.low)
        writes.awaitsRoom = (try? worker.notifyWhenUnsent(connection, below: limit, key: 0)) != nil
        if !writes.awaitsRoom { tryLater() }
    }

    func unsentFell(_ error: IOCPError?) {
        writes.awaitsRoom = false
        if error == nil { resumeWriting() }
    }

    func resumeWriting() {
        guard life == .active else { return }
        flushNow()
        becomeWritableIfBelow()
        guard life == .active, let worker, let connection else { return }
        askWhenSent(worker, connection)
        if !isWritable || writes.pending.hasMark { awaitRoom(worker, connection) }
    }

    private func becomeWritableIfBelow() {
        guard !isWritable, life != .closed, writes.pendingBytes + unsentBytes < max(1, writes.mark.low) else { return }
        setWritable(true)
        pipeline.syncOperations.fireChannelWritabilityChanged()
    }

    /// The worker's memory is other channels' for now.
    private func tryLater() {
        guard !writes.triesLater else { return }
        writes.triesLater = true
        let again = LoopTimer(.now() + .milliseconds(1)) { [self] in
            writes.triesLater = false
            resumeWriting()
        } orFail: { _ in
        }
        loop.tasks.add(.timer(again))
    }

    // MARK: - The end

    func finishWriting(_ promise: EventLoopPromise<Void>?) {
        writes.isFinishing = true
        if let promise { writes.finishPromises.append(promise) }
        if writes.pending.isEmpty, let worker, let connection { finishNow(worker, connection) }
    }

    private func finishNow(_ worker: Worker, _ connection: Connection) {
        (writes.isFinishing, writes.isFinished) = (false, true)
        let promises = writes.finishPromises
        writes.finishPromises = []
        do {
            try worker.finishSending(connection)
            for promise in promises { promise.succeed(()) }
        } catch {
            for promise in promises { promise.fail(error.asNIO) }
        }
        pipeline.fireUserInboundEventTriggered(ChannelEvent.outputClosed)
    }

    /// The channel closes: all that was flushed is handed over, however much, before the worker is asked to close.
    func endWriting() {
        guard life == .active || life == .activating, !writes.isFlushing, let worker, let connection else { return }
        writes.isFlushing = true
        _ = handOver(worker, connection, atMost: .max)
        writes.isFlushing = false
    }

    /// What was handed over is the transport's now, as what a socket took; what was not fails.
    func failWrites(_ error: any Error) {
        let promised = writes.promised
        writes.promised = CircularBuffer(initialCapacity: 0)
        for (_, promise) in promised { if writes.isCut { promise.fail(error) } else { promise.succeed(()) } }
        while let write = writes.pending.popFirst() { write.promise?.fail(error) }
        writes.pendingBytes = 0
        let promises = writes.finishPromises
        writes.finishPromises = []
        for promise in promises { promise.fail(error) }
    }

    func wroteNoMore(_ error: any Error) {
        while let (_, promise) = writes.promised.popFirst() { promise.fail(error) }
    }
}

extension IOCPError {
    /// The worker has no memory for more now, or the connection no room.
    fileprivate var isShortage: Bool { code == ENOBUFS || code == EAGAIN || code == ENOMEM || code == EBUSY }
}

extension IOData {
    fileprivate mutating func skip(_ count: Int) {
        switch self {
        case .byteBuffer(var buffer):
            buffer.moveReaderIndex(forwardBy: count)
            self = .byteBuffer(buffer)
        case .fileRegion(var region):
            region.moveReaderIndex(forwardBy: count)
            self = .fileRegion(region)
        }
    }
}

extension FileRegion {
    /// Reads on the loop's thread: a file that is not in memory makes the loop wait for its disk, as `sendfile(2)` does.
    /// - Throws: `IOError`; EIO where the file is shorter than the region.
    fileprivate func nextBytes(atMost limit: Int) throws -> ByteBuffer {
        let wanted = min(limit, readableBytes)
        var buffer = ByteBufferAllocator().buffer(capacity: wanted)
        try fileHandle.withUnsafeFileDescriptor { descriptor in
            while buffer.readableBytes < wanted {
                let done = buffer.readableBytes
                let count = unsafe buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: wanted - done) { space in
                    max(0, unsafe pread(descriptor, space.baseAddress, wanted - done, off_t(readerIndex + done)))
                }
                guard count > 0 else {
                    throw IOError(
                        errnoCode: EIO, reason: "the file ended, or could not be read, before its region's end")
                }
            }
        }
        return buffer
    }
}
#endif

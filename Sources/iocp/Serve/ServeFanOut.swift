#if Command
import IOCP

/// Sends each frame that a connection sent, of a fixed size, to every other connection on all workers.
///
/// A frame is copied once, out of the receive buffer; all receivers share that copy. A receiver whose unsent bytes are
/// at their cap, or a worker whose mailbox or send queues are full, does without the frame: it is dropped whole and counted as a refused
/// send where a connection refused it. The sender is never held back.
struct FanOutHandler: ConnectionHandler, Handles.Opened, Handles.Closed, Handles.Posted {
    typealias State = FanOutMember

    private let frameBytes: Int
    private let worker: Worker
    private let hall: FanOutHall
    private var members: [IocpContext<State>] = []
    private var parts = FanOutParts()

    init(frameBytes: Int, _ hall: FanOutHall, _ worker: Worker) {
        (self.frameBytes, self.hall, self.worker) = (frameBytes, hall, worker)
    }

    /// So many frames may be queued on a worker, all receivers together: 25 for each of 10,000.
    private static let piecesPerWorker = 1 << 18

    /// - Parameter configuration: changed so that a connection may have that number of frames unsent.
    static func configure(_ configuration: inout PortConfiguration, frameBytes: Int) {
        let unsentMax = max(1 << 20, 16 * frameBytes)
        configuration.overflowPolicy = .refuse
        configuration.sendCap = unsentMax
        configuration.sendHighWatermark = unsentMax
        // A frame queued for a receiver takes a piece of the send queues, and those are counted with the chunks.
        configuration.sendChunksPerWorker = piecesPerWorker
        configuration.sendLowWatermark = min(configuration.sendLowWatermark, unsentMax / 2)
    }

    mutating func makeState() -> State { State() }

    mutating func opened(_ connection: IocpContext<State>) {
        connection.state.place = members.count
        members.append(connection)
    }

    mutating func closed(_ connection: IocpContext<State>, reason: CloseReason) {
        parts.drop(connection)
        let place = connection.state.place
        let last = members.removeLast()
        guard last !== connection else { return }
        members[place] = last
        last.state.place = place
    }

    // MARK: Frames

    mutating func received(_ bytes: RawSpan, on connection: IocpContext<State>) throws(IOCPError) {
        // What still comes after an abort belongs to no frame.
        guard !connection.state.isRefused else { return }
        var offset = 0
        while offset < bytes.byteCount {
            let due = frameBytes - connection.state.part.count
            let end = min(bytes.byteCount, offset + due)
            let piece = bytes.extracting(offset..<end)
            offset = end
            if piece.byteCount == frameBytes {
                try publish(try SharedBytes(piece), from: connection)
            } else if piece.byteCount < due {
                parts.add(piece, to: connection)
                refuseOldest()
            } else {
                let frame = try parts.complete(connection, with: piece)
                try publish(frame, from: connection)
            }
        }
    }

    /// Ends the connections whose part of a frame has waited longest for the next byte, until the rest fit. Who sends
    /// its frames is never among them: its part is the newest.
    private mutating func refuseOldest() {
        while parts.exceedsBound, let oldest = parts.oldest {
            parts.drop(oldest)
            oldest.state.isRefused = true
            oldest.abort()
            hall.refusedPart()
        }
    }

    private func publish(_ frame: SharedBytes, from sender: IocpContext<State>) throws(IOCPError) {
        send(frame, except: sender.state.place)
        for other in 0..<worker.port.workerCount where other != worker.index {
            guard hall.lend(frame.count, to: other) else { continue }
            // The post carries a reference, which the other worker takes over.
            let reference = unsafe Unmanaged.passRetained(frame)
            do throws(IOCPError) {
                try worker.port.post(unsafe UInt64(UInt(bitPattern: reference.toOpaque())), toWorker: other)
            } catch {
                unsafe reference.release()
                hall.giveBack(frame.count, of: other)
            }
        }
    }

    mutating func posted(_ value: UInt64, to connection: IocpContext<State>?, on worker: Worker) {
        guard let pointer = unsafe UnsafeRawPointer(bitPattern: UInt(value)) else { return }
        let frame = unsafe Unmanaged<SharedBytes>.fromOpaque(pointer).takeRetainedValue()
        hall.giveBack(frame.count, of: worker.index)
        send(frame, except: nil)
    }

    private func send(_ frame: SharedBytes, except sender: Int?) {
        for index in members.indices where index != sender {
            // EAGAIN and ENOBUFS: it does not read, and does without. ENOTCONN: it is closing.
            try? members[index].send(frame)
        }
    }
}

/// What a connection of a fan-out remembers.
struct FanOutMember {
    /// Its place among the members of its worker.
    var place = 0
    /// The part of a frame that came so far; empty between frames.
    var part: [UInt8] = []
    /// Its neighbours in the order in which parts grew last.
    var older: IocpContext<FanOutMember>?
    var newer: IocpContext<FanOutMember>?
    /// Its part was dropped for want of room, and it was aborted.
    var isRefused = false
}
#endif

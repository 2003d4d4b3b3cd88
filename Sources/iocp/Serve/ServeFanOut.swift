#if Command
import IOCP

/// Sends each frame that a connection sent, of a fixed size, to every other connection on all workers.
///
/// A frame is copied once, out of the receive buffer; all receivers share that copy: they are the subscribers of a topic. A
/// receiver whose unsent bytes are at their cap does without the frame, and is counted as a refused send. While one of the
/// workers is behind, frames are dropped whole for all. The sender is never held back.
struct FanOutHandler: ConnectionHandler, Handles.Opened, Handles.Closed {
    typealias State = FanOutMember

    private let frameBytes: Int
    private let hall: FanOutHall
    private var parts = FanOutParts()

    init(frameBytes: Int, _ hall: FanOutHall) {
        (self.frameBytes, self.hall) = (frameBytes, hall)
    }

    /// So many frames may be queued on a worker, all receivers together: 25 for each of 10,000.
    private static let piecesPerWorker = 1 << 18

    /// - Parameter configuration: changed so that a connection may have that number of frames unsent.
    static func configure(_ configuration: inout PortConfiguration, frameBytes: Int) {
        let unsentMax = FanOutHall.unsentMax(frameBytes: frameBytes)
        configuration.overflowPolicy = .refuse
        configuration.sendCap = unsentMax
        configuration.sendHighWatermark = unsentMax
        // A frame queued for a receiver takes a piece of the send queues, and those are counted with the chunks.
        configuration.sendChunksPerWorker = piecesPerWorker
        configuration.sendLowWatermark = min(configuration.sendLowWatermark, unsentMax / 2)
    }

    mutating func makeState() -> State { State() }

    func opened(_ connection: IocpContext<State>) throws(IOCPError) {
        try connection.subscribe(to: hall.frames)
    }

    mutating func closed(_ connection: IocpContext<State>, reason: CloseReason) {
        parts.drop(connection)
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
                hall.publish(try SharedBytes(piece), from: connection.connection)
            } else if piece.byteCount < due {
                parts.add(piece, to: connection)
                refuseOldest()
            } else {
                hall.publish(try parts.complete(connection, with: piece), from: connection.connection)
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
}

/// What a connection of a fan-out remembers.
struct FanOutMember {
    /// The part of a frame that came so far; empty between frames.
    var part: [UInt8] = []
    /// Its neighbours in the order in which parts grew last.
    var older: IocpContext<FanOutMember>?
    var newer: IocpContext<FanOutMember>?
    /// Its part was dropped for want of room, and it was aborted.
    var isRefused = false
}
#endif

import IOCP

/// Sends each frame of so many bytes that a connection sent to every other connection, on all workers.
///
/// A frame is copied once, out of the receive buffer; all receivers share that copy. A receiver whose unsent bytes are
/// at their cap, or a worker whose mailbox or send queues are full, does without the frame: it is dropped whole and counted as a refused
/// send where a connection refused it. The sender is never held back.
struct FanOutHandler: ConnectionHandler {
    struct State {
        /// The connection's place in `members`.
        var member = 0
        /// The part of a frame that came so far; empty between frames.
        var part: [UInt8] = []
    }

    private let frameBytes: Int
    private let worker: Worker
    private var members: [IocpContext<State>] = []

    init(frameBytes: Int, _ worker: Worker) {
        (self.frameBytes, self.worker) = (frameBytes, worker)
    }

    /// So many frames may be queued on a worker, all receivers together: 25 for each of 10,000.
    private static let piecesPerWorker = 1 << 18

    /// - Parameter configuration: changed so that a connection may have so many frames unsent.
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
        connection.state.member = members.count
        members.append(connection)
    }

    mutating func closed(_ connection: IocpContext<State>, reason: CloseReason) {
        let member = connection.state.member
        let last = members.removeLast()
        guard last !== connection else { return }
        members[member] = last
        last.state.member = member
    }

    // MARK: Frames

    mutating func received(_ bytes: RawSpan, on connection: IocpContext<State>) throws(IOCPError) {
        var offset = 0
        while offset < bytes.byteCount {
            let due = frameBytes - connection.state.part.count
            let end = min(bytes.byteCount, offset + due)
            let piece = bytes.extracting(offset..<end)
            offset = end
            if piece.byteCount == frameBytes {
                try publish(try SharedBytes(piece), from: connection)
                continue
            }
            connection.state.part.reserveCapacity(frameBytes)
            unsafe piece.withUnsafeBytes { unsafe connection.state.part.append(contentsOf: $0) }
            if connection.state.part.count == frameBytes {
                let frame = try SharedBytes(connection.state.part)
                connection.state.part.removeAll(keepingCapacity: true)
                try publish(frame, from: connection)
            }
        }
    }

    private func publish(_ frame: SharedBytes, from sender: IocpContext<State>) throws(IOCPError) {
        send(frame, except: sender.state.member)
        for other in 0..<worker.port.workerCount where other != worker.index {
            // The post carries a reference, which the other worker takes over.
            let reference = unsafe Unmanaged.passRetained(frame)
            do throws(IOCPError) {
                try worker.port.post(unsafe UInt64(UInt(bitPattern: reference.toOpaque())), toWorker: other)
            } catch {
                unsafe reference.release()
            }
        }
    }

    mutating func posted(_ value: UInt64, to connection: IocpContext<State>?, on worker: Worker) {
        guard let pointer = unsafe UnsafeRawPointer(bitPattern: UInt(value)) else { return }
        send(unsafe Unmanaged<SharedBytes>.fromOpaque(pointer).takeRetainedValue(), except: nil)
    }

    private func send(_ frame: SharedBytes, except sender: Int?) {
        for index in members.indices where index != sender {
            // EAGAIN and ENOBUFS: it does not read, and does without. ENOTCONN: it is closing.
            try? members[index].send(frame)
        }
    }
}

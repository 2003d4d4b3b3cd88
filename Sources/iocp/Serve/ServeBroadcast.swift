#if Command
import IOCP

/// Echoes what connections send, and sends each frame of a publisher to all of them.
///
/// It keeps 8 bytes for each connection, where a subscription to a `Topic` takes some 200: every connection belongs to
/// the one audience, so nothing has to be looked up. A frame goes to 256 connections a turn; so the queues never fill faster than
/// they leave, and echoes go on in between.
struct BroadcastHandler: ConnectionHandler, Handles.Opened, Handles.Closed, Handles.Posted, Handles.PostedObject {
    /// The place of a connection in the audience; of a publisher, the negative `publisher`.
    typealias State = Int32

    private let frameBytes: Int
    private let hall: BroadcastHall
    private let worker: Worker

    /// Those before `served` have the first of the frames.
    private var audience: ContiguousArray<IocpContext<State>> = []
    private var served = 0
    private var frames: [SharedBytes] = []
    /// Of publishers: the part of a frame that came so far.
    private var parts: [Connection: [UInt8]] = [:]
    private var heldBytes = 0

    private static let publisher: State = -1
    private static let turnMax = 256
    /// Frames that wait for this worker; then it does without further ones.
    private static let framesMax = 64
    private static let goOn: UInt64 = 1

    init(frameBytes: Int, _ hall: BroadcastHall, _ worker: Worker) {
        (self.frameBytes, self.hall, self.worker) = (frameBytes, hall, worker)
        // Reserved, and touched as it is used.
        audience.reserveCapacity(worker.port.connectionsPerWorker)
    }

    static func configure(_ configuration: inout PortConfiguration) {
        configuration.overflowPolicy = .refuse
    }

    mutating func makeState() -> State { BroadcastHandler.publisher }

    // MARK: Connections

    mutating func opened(_ connection: IocpContext<State>) throws(IOCPError) {
        guard !hall.isPublisher(connection.listener) else {
            parts[connection.connection] = []
            return
        }
        connection.state = State(audience.count)
        audience.append(connection)
    }

    mutating func closed(_ connection: IocpContext<State>, reason: CloseReason) {
        guard connection.state != BroadcastHandler.publisher else {
            heldBytes -= parts.removeValue(forKey: connection.connection)?.count ?? 0
            return
        }
        var hole = Int(connection.state)
        // Nobody is left out or served twice: one that has the frame takes the place of one that has it.
        if hole < served {
            served -= 1
            move(from: served, to: hole)
            hole = served
        }
        move(from: audience.count - 1, to: hole)
        audience.removeLast()
    }

    private mutating func move(from index: Int, to hole: Int) {
        guard index != hole else { return }
        audience[hole] = audience[index]
        audience[hole].state = State(hole)
    }

    // MARK: Bytes

    mutating func received(_ bytes: consuming ReceivedBytes, on connection: IocpContext<State>) throws(IOCPError) {
        guard connection.state == BroadcastHandler.publisher else {
            try connection.send(bytes)
            return
        }
        // What still comes after an abort belongs to no frame.
        guard var part = parts[connection.connection] else { return }
        heldBytes -= part.count
        let span = bytes.bytes
        var offset = 0
        while offset < span.byteCount {
            let end = min(span.byteCount, offset + frameBytes - part.count)
            unsafe span.extracting(offset..<end).withUnsafeBytes { unsafe part.append(contentsOf: $0) }
            offset = end
            guard part.count == frameBytes else { break }
            hall.publish(try SharedBytes(part), on: worker.port)
            part.removeAll(keepingCapacity: true)
        }
        heldBytes += part.count
        parts[connection.connection] = part
        if heldBytes > FanOutParts.heldBytesMax {
            heldBytes -= part.count
            parts[connection.connection] = nil
            connection.abort()
        }
    }

    // MARK: Frames

    mutating func posted(
        object: any AnyObject & Sendable, to connection: IocpContext<State>?, on worker: Worker
    ) throws(IOCPError) {
        guard let frame = object as? BroadcastHall.Frame else { return }
        guard frames.count < BroadcastHandler.framesMax else {
            hall.missed(audience.count)
            return
        }
        frames.append(frame.bytes)
        if frames.count == 1 { deliver() }
    }

    mutating func posted(_ value: UInt64, to connection: IocpContext<State>?, on worker: Worker) throws(IOCPError) {
        deliver()
    }

    /// Sends the first frame to the next connections. The rest is for later turns, behind what came meanwhile.
    private mutating func deliver() {
        guard let frame = frames.first else { return }
        let end = min(audience.count, served + BroadcastHandler.turnMax)
        while served < end {
            do throws(IOCPError) {
                try audience[served].send(frame)
            } catch {
                // One that is closing has no part in it any more.
                if !audience[served].isClosing { hall.missed(1) }
            }
            served += 1
        }
        if served == audience.count {
            served = 0
            frames.removeFirst()
        }
        guard !frames.isEmpty else { return }
        do throws(IOCPError) {
            try worker.port.post(BroadcastHandler.goOn, toWorker: worker.index)
        } catch {
            // The mailbox is full, or the port stops: nothing goes on by itself any more.
            hall.missed(audience.count - served)
            (served, frames) = (0, [])
        }
    }
}
#endif

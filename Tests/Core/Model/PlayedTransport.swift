import CIOCPInternals
import Glibc
import SharedHarness
import Testing

/// The sockets under a scripted worker: they answer at random, within the rules of the seam (driver/driver.h), and
/// watch that the worker keeps its own.
final class PlayedTransport {
    struct Socket {
        var connection: iocp_token = 0 // known from the first request that names it
        var connect, receive, watch, shutdown, close: UInt64?
        var send: Offer?
        var large = true // which buffers the receive takes
        var cancelled: Set<UInt64> = []
        var peerFinished = false
        var isReset = false

        var isIdle: Bool { connect == nil && receive == nil && watch == nil && shutdown == nil && send == nil }
    }

    struct Offer {
        let token: UInt64
        let ranges: [iocp_range]
        let bytes: [UInt8]
        let wait: Bool
    }

    /// What passed of one connection's streams.
    struct Streams {
        var delivered = 0
        var taken: [UInt8] = []
        var wasReset = false
    }

    let worker: ScriptedWorker
    var random: Randomness
    private(set) var sockets: [UInt32: Socket] = [:]
    private(set) var streams: [iocp_token: Streams] = [:]
    /// How many bytes the application queued on a connection it did not abort; asked when FIN is sent.
    var queuedBytes: (iocp_token) -> Int? = { _ in nil }
    private var provided: (large: [UInt16], small: [UInt16]) = ([], [])
    private var filled = 0
    private var nextHandle: UInt32 = 0
    private let wholeBuffers: Bool
    private let largeCount: UInt32

    /// `wholeBuffers`: a receive spends one, whatever it brings; otherwise buffers are filled piece by piece.
    init(_ worker: ScriptedWorker, _ random: Randomness, wholeBuffers: Bool = false) {
        self.worker = worker
        self.random = random
        self.wholeBuffers = wholeBuffers
        largeCount = internals_worker_buffer_count(worker.script, IOCP_BUFFER_LARGE)
    }

    private static let noise: [UInt8] = {
        var random = Randomness(seed: 1)
        return random.bytes((1 << 16) + 16_384)
    }()

    /// What the peer of a connection sends: `count` bytes from `start` of its stream.
    static func pattern(_ connection: iocp_token, from start: Int, count: Int) -> ArraySlice<UInt8> {
        let at = Int(truncatingIfNeeded: (UInt64(start) &+ connection &* 0x9e37_79b9) & 0xffff)
        return noise[at..<at + count]
    }

    // MARK: - What the worker asks

    func takeRequests() {
        for request in worker.requests() {
            let call = request.call
            switch request.kind {
            case INTERNALS_REQUEST_PROVIDE:
                #expect(!(provided.large + provided.small).contains(call.buffer), "a buffer was provided twice")
                if call.buffer < largeCount { provided.large.append(call.buffer) } else { provided.small.append(call.buffer) }
            case INTERNALS_REQUEST_CONNECT:
                sockets[call.handle] = Socket(connection: name(call.token), connect: call.token)
            default:
                guard var socket = sockets[call.handle] else {
                    Issue.record("\(request.kind) on a socket that is closed")
                    continue
                }
                take(request, &socket)
                sockets[call.handle] = socket
            }
        }
    }

    private func name(_ token: UInt64) -> iocp_token { iocp_token_connection(token, 0) }

    private func take(_ request: ScriptedWorker.Request, _ socket: inout Socket) {
        let token = request.call.token
        if socket.connection == 0 { socket.connection = name(token) }
        #expect(token == 0 || socket.connection == name(token), "another connection's socket")
        #expect(socket.close == nil, "\(request.kind) after the close")
        switch request.kind {
        case INTERNALS_REQUEST_RECEIVE:
            #expect(socket.receive == nil && !socket.peerFinished)
            socket.receive = token
            socket.large = request.call.class == IOCP_BUFFER_LARGE
        case INTERNALS_REQUEST_WATCH:
            #expect(socket.watch == nil && socket.receive == nil && !socket.peerFinished)
            socket.watch = token
        case INTERNALS_REQUEST_SEND:
            #expect(socket.send == nil && socket.shutdown == nil, "one send at a time, none after FIN")
            #expect(request.total > 0)
            socket.send = Offer(
                token: token, ranges: request.ranges, bytes: request.bytes, wait: request.call.mode == IOCP_SEND_WAIT)
        case INTERNALS_REQUEST_SHUTDOWN:
            #expect(socket.send == nil && socket.shutdown == nil)
            expectEverythingTaken(socket)
            socket.shutdown = token
        case INTERNALS_REQUEST_CANCEL:
            #expect(socket.cancelled.insert(token).inserted || socket.receive == token, "cancelled twice")
        case INTERNALS_REQUEST_CLOSE:
            #expect(socket.isIdle, "closed with operations outstanding")
            if !request.call.abort { expectEverythingTaken(socket) }
            socket.close = token
        default:
            Issue.record("an unknown request")
        }
    }

    /// FIN comes after everything that was queued before it.
    private func expectEverythingTaken(_ socket: Socket) {
        guard let queued = queuedBytes(socket.connection), !streams[socket.connection, default: Streams()].wasReset else { return }
        #expect(streams[socket.connection, default: Streams()].taken.count == queued)
    }

    // MARK: - What happens

    func acceptClient() {
        let handle = (0...nextHandle).first { sockets[$0] == nil }! // names are used again, as descriptors are
        nextHandle = max(nextHandle, handle + 1)
        sockets[handle] = Socket()
        worker.report(iocp_token_make(IOCP_OPERATION_ACCEPT, 0, 1), Int32(handle), more: true)
    }

    /// Something of something. `ending`: peers finish, and nothing is left waiting.
    func step(ending: Bool = false) {
        guard let handle = sockets.keys.sorted().randomElement(using: &random), var socket = sockets[handle] else { return }
        if let token = socket.watch, socket.cancelled.contains(token) || socket.isReset {
            worker.report(token, socket.cancelled.contains(token) ? -ECANCELED : -ECONNRESET)
            socket.watch = nil
            socket.cancelled.remove(token)
        } else if let token = socket.connect {
            endConnect(token, &socket)
        } else if let token = socket.close {
            worker.report(token, 0)
            sockets[handle] = nil
            return
        } else if let token = socket.receive, random.happens(oneIn: 2) {
            receive(token, &socket, ending)
        } else if let offer = socket.send {
            send(offer, &socket, ending)
        } else if let token = socket.shutdown {
            worker.report(token, socket.isReset ? -ENOTCONN : 0)
            socket.shutdown = nil
        } else if let token = socket.receive {
            receive(token, &socket, ending)
        }
        sockets[handle] = socket
    }

    private func endConnect(_ token: UInt64, _ socket: inout Socket) {
        let refused = random.happens(oneIn: 4)
        worker.report(token, socket.cancelled.contains(token) && !random.happens(oneIn: 4) ? -ECANCELED : refused ? -ECONNREFUSED : 0)
        socket.connect = nil
        socket.cancelled.remove(token)
    }

    private func receive(_ token: UInt64, _ socket: inout Socket, _ ending: Bool) {
        func end(_ result: Int32) {
            worker.report(token, result)
            socket.receive = nil
            socket.cancelled.remove(token)
        }
        if socket.isReset { return end(-ECONNRESET) }
        if socket.cancelled.contains(token) && (ending || random.happens(oneIn: 2)) { return end(-ECANCELED) }
        if ending && random.happens(oneIn: 3) || random.happens(oneIn: 40) {
            socket.peerFinished = true
            return end(0)
        }
        if random.happens(oneIn: 60) {
            socket.isReset = true
            streams[socket.connection, default: Streams()].wasReset = true
            return end(-ECONNRESET)
        }
        guard let buffer = socket.large ? provided.large.first : provided.small.first else { return end(-ENOBUFS) }
        let last = random.happens(oneIn: 10) // the receive ends with these bytes, and has to be armed again
        deliver(token, socket, buffer, more: !last)
        if last {
            socket.receive = nil
            socket.cancelled.remove(token)
        }
    }

    private func deliver(_ token: UInt64, _ socket: Socket, _ buffer: UInt16, more: Bool) {
        let size = wholeBuffers && socket.large ? 16_384 : 4096
        let start = socket.large ? filled : 0
        let count = random.happens(oneIn: 4) ? size - start : random.magnitude(upTo: size - start)
        let from = streams[socket.connection, default: Streams()].delivered
        let bytes = Array(Self.pattern(socket.connection, from: from, count: count))
        let done = wholeBuffers || start + count == size || random.happens(oneIn: 4)
        worker.reportReceived(token, bytes, in: buffer, at: start, more: more, done: done)
        streams[socket.connection, default: Streams()].delivered += count
        if socket.large { filled = done ? 0 : start + count }
        guard done else { return }
        if socket.large { provided.large.removeFirst() } else { provided.small.removeFirst() }
    }

    private func send(_ offer: Offer, _ socket: inout Socket, _ ending: Bool) {
        #expect(SendQueue.bytes(offer.ranges) == offer.bytes, "memory changed under a send")
        let cancelled = socket.cancelled.contains(offer.token)
        var result = Int32(offer.bytes.count)
        switch random.below(8) {
        case _ where socket.isReset: result = random.happens(oneIn: 2) ? -EPIPE : -ECONNRESET
        case _ where cancelled && random.happens(oneIn: 2): result = -ECANCELED
        case 0, 1: result = Int32(1 + random.below(offer.bytes.count))
        case 2 where !offer.wait: result = -EAGAIN
        case 3 where offer.wait && !ending && !cancelled: return // no room yet
        case 4 where random.happens(oneIn: 10): result = -ENOBUFS
        case 5 where random.happens(oneIn: 10):
            socket.isReset = true
            result = -EPIPE
        default: break
        }
        if socket.isReset { streams[socket.connection, default: Streams()].wasReset = true }
        if result > 0 { streams[socket.connection, default: Streams()].taken += offer.bytes.prefix(Int(result)) }
        worker.report(offer.token, result)
        socket.send = nil
        socket.cancelled.remove(offer.token)
    }
}

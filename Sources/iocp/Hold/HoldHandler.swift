#if Command
import IOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// One worker's share of what is held. A connection's key is its lane.
struct HoldHandler:
    ConnectionHandler, Handles.Started, Handles.Opened, Handles.ConnectFailed, Handles.Closed, Handles.Posted
{
    private enum Lane: UInt8 {
        case waiting
        /// Connected, and waits for the server's echo: the kernel answers a client that the server has not accepted, and may never.
        case greeting
        case held
        /// Dropped by this side, and on its way back.
        case dropping, returning
        case finishing, gone
    }

    private let plan: HoldPlan
    private let pattern: LoadPattern
    private let board: HoldBoard
    private let worker: Worker
    private let count: Int

    private var lanes: [Lane]
    private var contexts: [IocpContext<Void>?]
    private var beat: HoldBeat

    /// Lanes that were never connected begin here.
    private var untouched = 0
    /// Lanes that come back.
    private var returning: [Int] = []
    /// Connects that the server has not answered by an echo.
    private var connecting = 0
    private var nextToDrop = 0

    /// How many bytes each lane has of its greeting, and later of the frame.
    private var positions: [UInt32]
    private var expectsFrame = false
    private var publisher: IocpContext<Void>?

    private var standsBackUntil = UInt64.max

    private var finishing = 0
    private var nextToFinish = 0

    private static let publisherKey = UInt64.max
    private static let framePhase: LoadPattern.Phase = 0
    private static let greetingPhase: LoadPattern.Phase = 1
    /// A source may be taken: by a connection of another program, or in TIME_WAIT.
    private static let triesMax = 100
    private static let dropsPerTurn = 16
    /// Where other programs take all CPUs, a thread that stands back hardly runs at all.
    private static let standsBackForNanoseconds: UInt64 = 5_000_000_000
    /// SCHED_OTHER and SCHED_IDLE of sched(7).
    private static let usualPolicy: Int32 = 0
    private static let idlePolicy: Int32 = 5

    init(_ plan: HoldPlan, _ pattern: LoadPattern, _ board: HoldBoard, _ pacer: LoadPacer, _ worker: Worker) {
        (self.plan, self.pattern, self.board, self.worker) = (plan, pattern, board, worker)
        count = plan.connections(ofWorker: worker.index)
        lanes = Array(repeating: .waiting, count: count)
        contexts = Array(repeating: nil, count: count)
        positions = Array(repeating: 0, count: count)
        beat = HoldBeat(plan, pattern, board, pacer, ofWorker: worker.index)
    }

    /// While connections return, threads that measure go first on a core that they share with those that only make load. Where that is
    /// refused, the lateness of the heartbeat shows it.
    private mutating func standBack(_ does: Bool) {
        guard plan.active > 0, beat.activeCount == 0 else { return }
        standsBackUntil = does ? MonotonicClock.nanoseconds() + HoldHandler.standsBackForNanoseconds : .max
        var parameters = sched_param()
        _ = unsafe sched_setscheduler(0, does ? HoldHandler.idlePolicy : HoldHandler.usualPolicy, &parameters)
    }

    private func number(_ key: UInt64) -> Int {
        key == HoldHandler.publisherKey ? plan.connections : plan.number(of: Int(key), onWorker: worker.index)
    }

    // MARK: Connecting

    mutating func started(on worker: Worker) {
        if worker.index == 0, let publishTarget = plan.publishTarget {
            do throws(IOCPError) {
                try worker.connect(to: publishTarget, key: HoldHandler.publisherKey)
            } catch {
                board.connectFailed(error, publishTarget, of: number(HoldHandler.publisherKey))
            }
        }
        connectMore()
    }

    private mutating func connectMore() {
        if standsBackUntil < MonotonicClock.nanoseconds() { standBack(false) }
        while connecting < (untouched < count ? plan.window : plan.returnWindow) {
            let lane: Int
            if untouched < count {
                lane = untouched
            } else if let last = returning.last {
                lane = last
            } else {
                return
            }
            do throws(IOCPError) {
                try connect(lane)
            } catch {
                // EBUSY: the completion queue is full of connects that are answered soon, and then it is tried again.
                if error.code == EBUSY, connecting > 0 { return }
                board.connectFailed(error, plan.target, of: number(UInt64(lane)))
                lanes[lane] = .gone
            }
            if untouched < count { untouched += 1 } else { returning.removeLast() }
        }
    }

    private mutating func connect(_ lane: Int) throws(IOCPError) {
        var number = number(UInt64(lane)) + (lanes[lane] == .returning ? plan.connections : 0)
        for attempt in 1... {
            do throws(IOCPError) {
                try worker.connect(to: plan.target, from: plan.sources?.source(number), key: UInt64(lane))
                connecting += 1
                return
            } catch {
                guard error.code == EADDRINUSE, attempt < HoldHandler.triesMax else { throw error }
                number = 2 * plan.connections + board.takeSpare()
            }
        }
    }

    mutating func opened(_ connection: IocpContext<Void>) throws(IOCPError) {
        guard connection.key != HoldHandler.publisherKey else {
            publisher = connection
            board.count(board.publisherOpened, wakingAt: 1)
            return
        }
        let lane = Int(connection.key)
        contexts[lane] = connection
        lanes[lane] = .greeting
        positions[lane] = 0
        try pattern.send(HoldHandler.greetingPhase, on: connection)
    }

    /// Whether its turn to be dropped is over.
    private func isDropped(_ lane: Int) -> Bool {
        lane < nextToDrop && plan.dropped(ofWorker: worker.index).contains(lane)
    }

    /// The server has it, and has said so.
    private mutating func answered(_ lane: Int) {
        connecting -= 1
        lanes[lane] = .held
        board.count(board.opened, wakingAt: plan.connections)
        if isDropped(lane) { board.count(board.reconnected, wakingAt: plan.reconnects) }
        connectMore()
    }

    mutating func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) {
        guard key != HoldHandler.publisherKey else {
            return board.connectFailed(error, plan.publishTarget ?? plan.target, of: number(key))
        }
        connecting -= 1
        lanes[Int(key)] = .gone
        board.connectFailed(error, plan.target, of: number(key))
        connectMore()
    }

    mutating func closed(_ connection: IocpContext<Void>, reason: CloseReason) {
        guard connection.key != HoldHandler.publisherKey else {
            publisher = nil
            return board.count(board.publisherClosed, wakingAt: 1)
        }
        let lane = Int(connection.key)
        contexts[lane] = nil
        switch (lanes[lane], reason) {
        case (.dropping, .aborted):
            lanes[lane] = .returning
            returning.append(lane)
            board.count(board.dropped, wakingAt: plan.reconnects)
            connectMore()
        case (.finishing, .local):
            lanes[lane] = .gone
            finishing -= 1
            board.count(board.finished, wakingAt: plan.connections)
            finishMore()
        case (.gone, _): break  // a condemned one
        case (let state, _):
            if state == .finishing { finishing -= 1 }
            if state == .greeting { connecting -= 1 }
            lanes[lane] = .gone
            if reason != .stopped { board.ended(reason, plan.target, of: number(connection.key)) }
            if state == .greeting { connectMore() }
            finishMore()
        }
    }

    // MARK: Bytes

    mutating func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        guard connection.key != HoldHandler.publisherKey else {
            return board.mismatched("the publisher got bytes", of: number(connection.key))
        }
        let lane = Int(connection.key)
        guard lanes[lane] != .gone else { return }
        let wrong: String?
        if lanes[lane] == .greeting {
            wrong = received(bytes, lane, "its greeting", HoldHandler.greetingPhase)
            if wrong == nil, Int(positions[lane]) == plan.messageBytes { answered(lane) }
        } else if expectsFrame {
            wrong = received(bytes, lane, "the frame", HoldHandler.framePhase)
            if wrong == nil, Int(positions[lane]) == plan.messageBytes {
                board.count(board.delivered, wakingAt: plan.connections)
            }
        } else if lane < beat.activeCount {
            wrong = beat.received(bytes, at: lane)
            beat.sendDue(contexts)
        } else {
            wrong = "\(Figure.counted(bytes.byteCount, "byte")) came that nobody asked for"
        }
        guard let wrong else { return }
        board.mismatched(wrong, of: number(connection.key))
        board.lost.add(1, ordering: .relaxed)
        if lanes[lane] == .greeting { connecting -= 1 }
        lanes[lane] = .gone
        connection.abort()
        connectMore()
    }

    private mutating func received(_ bytes: RawSpan, _ lane: Int, _ name: String, _ phase: LoadPattern.Phase) -> String? {
        let position = Int(positions[lane])
        guard position + bytes.byteCount <= plan.messageBytes else {
            return "\(position + bytes.byteCount - plan.messageBytes) bytes more than \(name) came"
        }
        if let difference = pattern.difference(bytes, phase, at: position) {
            return "byte \(difference.position) of \(name) \(difference.words)"
        }
        positions[lane] += UInt32(bytes.byteCount)
        return nil
    }

    // MARK: Orders

    mutating func posted(_ value: UInt64, to connection: IocpContext<Void>?, on worker: Worker) {
        switch HoldOrder(rawValue: value) {
        case .beat: beat.begin(contexts)
        case .rest:
            standBack(false)
            beat.end(contexts)
        case .drop:
            standBack(true)
            nextToDrop = plan.dropped(ofWorker: worker.index).lowerBound
            dropMore()
        case .dropMore: dropMore()
        case .expect: expect()
        case .publish: publish()
        case .finish: finishMore(begins: true)
        case nil: beat.sendDue(contexts)  // a tick
        }
    }

    /// In slices: all of them in one entry of the kernel would keep the heartbeat of this load off its core for as long.
    private mutating func dropMore() {
        let end = min(count, nextToDrop + HoldHandler.dropsPerTurn)
        while nextToDrop < end {
            let lane = nextToDrop
            nextToDrop += 1
            guard lanes[lane] == .held else { continue }
            lanes[lane] = .dropping
            contexts[lane]?.abort()
        }
        guard nextToDrop < count else { return }
        do throws(IOCPError) {
            try worker.port.post(HoldOrder.dropMore.rawValue, toWorker: worker.index)
        } catch {
            board.failed(error, of: plan.connections)
        }
    }

    private mutating func expect() {
        for lane in positions.indices { positions[lane] = 0 }
        expectsFrame = true
        board.count(board.expecting, wakingAt: plan.workers)
    }

    private func publish() {
        guard let publisher else { return }
        do throws(IOCPError) {
            try pattern.send(HoldHandler.framePhase, on: publisher)
        } catch {
            board.failed(error, of: plan.connections)
        }
    }

    /// Sends FIN, and waits for the server's, a window of them at a time: a server with all ends at once would be late for
    /// the last ones, which would then be reset.
    private mutating func finishMore(begins: Bool = false) {
        guard begins || nextToFinish > 0 else { return }
        if begins { publisher?.close() }
        while finishing < plan.window, nextToFinish < count {
            let lane = nextToFinish
            nextToFinish += 1
            guard lanes[lane] == .held else { continue }
            lanes[lane] = .finishing
            finishing += 1
            contexts[lane]?.close()
        }
    }
}
#endif

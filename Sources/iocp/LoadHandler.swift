import IOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// One worker's part of a load: opens its connections, has each echo a message, then keeps the active ones busy.
struct LoadHandler: ConnectionHandler {
    /// A connection's state is its index on this worker, in the order of opening.
    typealias State = Int

    /// What the main thread posts.
    enum Order: UInt64 {
        case begin, finish
    }

    private enum Stage {
        case connecting, measuring, over
    }

    private struct Progress {
        /// The message to send next.
        var next: LoadPattern.Phase
        /// The message whose echo is due, and how much of it came.
        var due: LoadPattern.Phase
        var position: Int32 = 0
        var outstanding: Int32 = 0
        /// Which of the connection's entries in `sentAt` is the due message's; the message that answers its echo
        /// takes it over.
        var turn: Int32 = 0
        /// It echoed a wrong byte, which was counted; that it is aborted then is no news.
        var condemned = false
    }

    private let plan: LoadPlan
    private let pattern: LoadPattern
    private let monitor: LoadMonitor
    private let worker: Worker
    private let connectionCount: Int
    private let activeCount: Int

    private var stage = Stage.connecting
    private var asked = 0
    private var opened = 0
    private var answered = 0
    /// The active connections, until they begin.
    private var waiting: [IocpContext<Int>] = []
    private var progress: [Progress]
    private var sentAt: [UInt64]
    private var result = LoadResult()

    init(_ plan: LoadPlan, _ monitor: LoadMonitor, _ worker: Worker) throws(IOCPError) {
        (self.plan, self.monitor, self.worker) = (plan, monitor, worker)
        pattern = try LoadPattern(messageBytes: plan.messageBytes)
        connectionCount = plan.connections(ofWorker: worker.index)
        activeCount = plan.active(ofWorker: worker.index)
        waiting.reserveCapacity(activeCount)
        let pattern = pattern
        progress = (0..<connectionCount).map { index in
            let phase = pattern.firstPhase(ofConnection: plan.number(of: index, onWorker: worker.index))
            return Progress(next: phase, due: phase)
        }
        // Every connection sends at least its first message.
        sentAt = Array(repeating: 0, count: max(connectionCount, activeCount * plan.depth))
    }

    // MARK: Connecting

    mutating func started(on worker: Worker) {
        connectMore()
    }

    private mutating func connectMore() {
        while asked < connectionCount, asked - answered < plan.connectWindow {
            let number = plan.number(of: asked, onWorker: worker.index)
            do throws(IOCPError) {
                try worker.connect(to: plan.target, from: plan.source(ofConnection: number))
            } catch {
                // EBUSY: the completion queue is full of connects that are answered soon, and then it is tried again.
                if error.code != EBUSY || asked == answered { monitor.connectFailed(error) }
                return
            }
            asked += 1
        }
    }

    mutating func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) {
        monitor.connectFailed(error)
    }

    mutating func makeState() -> Int {
        defer { opened += 1 }
        return opened
    }

    mutating func opened(_ connection: IocpContext<Int>) throws(IOCPError) {
        monitor.connected()
        if connection.state < activeCount { waiting.append(connection) }
        try send(on: connection, connection.state, at: 0)
    }

    // MARK: Echoes

    mutating func received(_ bytes: RawSpan, on connection: IocpContext<Int>) throws(IOCPError) {
        let index = connection.state
        // The rest of a batch still comes after an abort.
        guard !progress[index].condemned else { return }
        let now = MonotonicClock.nanoseconds()
        var offset = 0
        while offset < bytes.byteCount {
            guard progress[index].outstanding > 0 else {
                condemn(connection, index, "\(bytes.byteCount - offset) bytes more than were sent came back")
                return
            }
            let position = Int(progress[index].position)
            let end = min(bytes.byteCount, offset + plan.messageBytes - position)
            let part = bytes.extracting(offset..<end)
            if let difference = pattern.difference(part, progress[index].due, at: position) {
                condemn(
                    connection, index,
                    "byte \(difference.position) of an echo is \(difference.found) instead of \(difference.expected)")
                return
            }
            offset = end
            progress[index].position += Int32(part.byteCount)
            if Int(progress[index].position) == plan.messageBytes {
                try echoed(on: connection, index, at: now)
            }
        }
    }

    private mutating func echoed(on connection: IocpContext<Int>, _ index: Int, at now: UInt64) throws(IOCPError) {
        progress[index].position = 0
        progress[index].outstanding -= 1
        progress[index].due = pattern.phase(after: progress[index].due)
        switch stage {
        case .connecting:
            answered += 1
            monitor.established()
            connectMore()
        case .measuring:
            result.record(now - sentAt[entry(index)])
            try send(on: connection, index, at: now)
            progress[index].turn += 1
            if progress[index].turn == plan.depth { progress[index].turn = 0 }
        case .over:
            break
        }
    }

    /// Sends the next message, as of `now`. The first ones fill the connection's turns; after that each takes over
    /// the turn of the echo it answers.
    private mutating func send(on connection: IocpContext<Int>, _ index: Int, at now: UInt64) throws(IOCPError) {
        do throws(IOCPError) {
            try pattern.send(progress[index].next, on: connection)
        } catch {
            monitor.sendFailed(error)
            progress[index].condemned = true
            throw error
        }
        sentAt[entry(index)] = now
        progress[index].next = pattern.phase(after: progress[index].next)
        progress[index].outstanding += 1
    }

    /// Idle connections never send once it is measured, so only the active ones have entries then.
    private func entry(_ index: Int) -> Int {
        stage == .connecting ? index : index * plan.depth + Int(progress[index].turn)
    }

    // MARK: Faults

    private mutating func condemn(_ connection: IocpContext<Int>, _ index: Int, _ what: String) {
        guard stage != .over else { return }
        let number = plan.number(of: index, onWorker: worker.index)
        monitor.mismatched("connection \(number): \(what)")
        progress[index].condemned = true
        connection.abort()
    }

    mutating func closed(_ connection: IocpContext<Int>, reason: CloseReason) {
        guard stage != .over, !monitor.isEnding else { return }
        let index = connection.state
        if !progress[index].condemned { monitor.closed(reason) }
        if index < activeCount { monitor.activeLost() }
    }

    // MARK: Orders

    mutating func posted(_ value: UInt64, to connection: IocpContext<Int>?, on worker: Worker) {
        switch Order(rawValue: value) {
        case .begin: begin()
        case .finish: finish()
        case nil: break
        }
    }

    private mutating func begin() {
        let now = MonotonicClock.nanoseconds()
        stage = .measuring
        result.began = now
        for connection in waiting where connection.isOpen {
            let index = connection.state
            do throws(IOCPError) {
                for turn in 0..<plan.depth {
                    progress[index].turn = Int32(turn)
                    try send(on: connection, index, at: now)
                }
            } catch {
                connection.abort()
            }
            progress[index].turn = 0
        }
        waiting = []
    }

    private mutating func finish() {
        stage = .over
        result.ended = MonotonicClock.nanoseconds()
        monitor.deliver(result)
    }
}

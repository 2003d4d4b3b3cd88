#if Command
import IOCP

/// The fan-out: a publisher on the first worker keeps frames outstanding; all other connections receive each of them.
///
/// A delivery's latency runs from the sending of a frame to its last byte at one subscriber.
struct LoadFanOut:
    ConnectionHandler, Handles.Started, Handles.Opened, Handles.ConnectFailed, Handles.Closed, Handles.Posted,
    Handles.TimerFired
{
    private enum Stage {
        /// Until every subscriber got a greeting.
        case connecting
        case measuring
        /// Between two turns: until every frame has reached all, and then until the next one.
        case pausing, resting
        case ceasing, over
    }

    private struct Subscriber {
        var reader = LoadFrames.Reader()
        var isGreeted = false
        var isCondemned = false
    }

    private let plan: LoadPlan
    private let monitor: LoadMonitor
    private let board: LoadFanOutBoard
    private let worker: Worker
    private let depth: Int

    private var frames: LoadFrames
    private var stage = Stage.connecting
    private var connector: LoadConnector
    /// The key of a subscriber's connection is its index here.
    private var subscribers: [Subscriber]
    private var result = LoadResult()

    /// On the first worker only, as what follows.
    private var publisher: IocpContext<Void>?
    private var published: LoadFrames.Sequence = 0
    private var completed: LoadFrames.Sequence = 0
    /// Whether the next greeting may be sent.
    private var hasGreetingReturned = true

    private static let publisherKey = UInt64.max
    private static let greetingIntervalFirst: Duration = .milliseconds(10)
    private static let greetingIntervalMax: Duration = .milliseconds(640)

    init(
        _ plan: LoadPlan, _ pattern: LoadPattern, depth: Int, _ monitor: LoadMonitor, _ board: LoadFanOutBoard,
        _ worker: Worker
    ) {
        (self.plan, self.depth, self.monitor, self.board, self.worker) = (plan, depth, monitor, board, worker)
        frames = LoadFrames(pattern)
        connector = LoadConnector(plan, monitor, ofWorker: worker.index)
        subscribers = Array(repeating: Subscriber(), count: plan.connections(ofWorker: worker.index))
    }

    private var publishes: Bool { worker.index == 0 }

    // MARK: Connecting

    mutating func started(on worker: Worker) {
        if publishes {
            do throws(IOCPError) {
                try worker.connect(to: plan.target, key: LoadFanOut.publisherKey, security: plan.security)
                monitor.asked()
            } catch {
                monitor.connectFailed(error, of: number(LoadFanOut.publisherKey))
            }
        }
        connector.connectMore(on: worker)
    }

    mutating func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) {
        monitor.connectFailed(error, of: number(key))
        monitor.gone()
    }

    /// Of a connection among all; the publisher comes after the subscribers.
    private func number(_ key: UInt64) -> Int {
        key == LoadFanOut.publisherKey ? plan.connections : plan.number(of: Int(key), onWorker: worker.index)
    }

    mutating func opened(_ connection: IocpContext<Void>) throws(IOCPError) {
        if connection.key == LoadFanOut.publisherKey {
            publisher = connection
            try greet(in: LoadFanOut.greetingIntervalFirst)
        } else {
            monitor.connected()
            connector.arrived(on: worker)
        }
    }

    /// Greets again and again, since a subscriber may be connected long before the server accepts it. But not before
    /// the last greeting came back, and less and less often: each goes to all that the server has accepted, and what it
    /// has queued of them when measuring begins, it may drop of the first frames.
    private mutating func greet(in interval: Duration) throws(IOCPError) {
        guard stage == .connecting, let publisher, publisher.isOpen else { return }
        var next = interval
        if monitor.connectedSoFar == plan.connections, hasGreetingReturned || interval == LoadFanOut.greetingIntervalMax
        {
            try send(LoadFrames.greeting, on: publisher)
            hasGreetingReturned = false
        }
        if !hasGreetingReturned { next = min(interval * 2, LoadFanOut.greetingIntervalMax) }
        try worker.startTimer(after: interval, for: publisher.connection, key: UInt64(next / .milliseconds(1)))
    }

    mutating func timerFired(key: UInt64, error: IOCPError?, connection: IocpContext<Void>?, on worker: Worker)
        throws(IOCPError)
    {
        if error == nil { try greet(in: .milliseconds(key)) }
    }

    // MARK: Frames

    private mutating func send(_ sequence: LoadFrames.Sequence, on connection: IocpContext<Void>) throws(IOCPError) {
        do throws(IOCPError) {
            try frames.send(sequence, on: connection)
        } catch {
            monitor.sendFailed(error, of: number(connection.key))
            throw error
        }
    }

    private mutating func publishMore() {
        guard stage == .measuring, let publisher, publisher.isOpen else { return }
        while published - completed < UInt64(depth) {
            let now = MonotonicClock.nanoseconds()
            do throws(IOCPError) {
                // Leaves with the next wait, so no subscriber has it before the board does.
                try send(published + 1, on: publisher)
            } catch {
                publisher.abort()
                return
            }
            published += 1
            board.publish(published, at: now, to: plan.connections)
        }
    }

    mutating func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        guard connection.key != LoadFanOut.publisherKey else {
            mismatched(
                "the publisher got \(Figure.counted(bytes.byteCount, "byte")), and is to get none", connection.key)
            connection.abort()
            return
        }
        let index = Int(connection.key)
        // The rest of a batch still comes after an abort.
        guard !subscribers[index].isCondemned else { return }
        let now = MonotonicClock.nanoseconds()
        var offset = 0
        while offset < bytes.byteCount {
            switch subscribers[index].reader.receive(bytes, &offset, frames) {
            case .part: break
            case .frame(LoadFrames.greeting): greeted(index)
            case .frame(let sequence) where board.isPublished(sequence): delivered(sequence, at: now)
            case .frame(let sequence):
                condemn(connection, index, "frame \(sequence) came, and nobody published it")
                return
            case .wrong(let what):
                condemn(connection, index, what)
                return
            }
        }
    }

    private mutating func condemn(_ connection: IocpContext<Void>, _ index: Int, _ what: String) {
        mismatched("subscriber \(number(connection.key)): \(what)", connection.key)
        subscribers[index].isCondemned = true
        connection.abort()
    }

    private mutating func greeted(_ index: Int) {
        hasGreetingReturned = true
        guard !subscribers[index].isGreeted else { return }
        subscribers[index].isGreeted = true
        monitor.established()
    }

    private mutating func delivered(_ sequence: LoadFrames.Sequence, at now: UInt64) {
        begin()  // the publisher's worker may have had the order first
        let latency = now - min(now, board.sentAt(sequence))
        if isMeasured { result.latency.record(latency) }
        guard board.delivered(sequence) else { return }
        if isMeasured { result.besides.record(latency) }
        if publishes {
            frameCompleted()
        } else {
            do throws(IOCPError) {
                try worker.port.post(LoadOrder.delivered.rawValue, toWorker: 0)
            } catch {
                monitor.postFailed(error)
            }
        }
    }

    private var isMeasured: Bool { stage == .measuring || stage == .ceasing }

    private mutating func frameCompleted() {
        completed += 1
        publishMore()
        guard completed == published else { return }
        switch stage {
        case .pausing: restEverywhere()
        case .ceasing: finishEverywhere()
        case .connecting, .measuring, .resting, .over: break
        }
    }

    // MARK: Faults

    private func mismatched(_ what: String, _ key: UInt64) {
        guard stage != .over else { return }
        monitor.mismatched(what, of: number(key))
    }

    /// Without one subscriber no frame is ever complete, so each is as much as all of them.
    mutating func closed(_ connection: IocpContext<Void>, reason: CloseReason) {
        guard stage != .over, !monitor.isEnding else { return }
        switch reason {
        case .aborted: break  // condemned
        case .handlerThrew(let error) where error.operation == .send: break  // told when it was thrown
        default: monitor.closed(reason, of: number(connection.key))
        }
        monitor.gone()
        monitor.abandon()
    }

    // MARK: Orders

    mutating func posted(_ value: UInt64, to connection: IocpContext<Void>?, on worker: Worker) {
        switch LoadOrder(rawValue: value) {
        case .begin: begin()
        case .settled: settled()
        case .pause: pause()
        case .rest: rest()
        case .cease: cease()
        case .finish: finish()
        case .delivered: frameCompleted()
        default: break
        }
    }

    private mutating func begin() {
        guard stage == .connecting || stage == .resting else { return }
        stage = .measuring
        result = LoadResult(plan, beganOn: worker)
        if publishes { publishMore() }
    }

    private mutating func settled() {
        if stage == .measuring { result = LoadResult(plan, beganOn: worker) }
    }

    private mutating func pause() {
        guard stage == .measuring else { return }
        result.end(plan, on: worker)
        stage = .pausing
        if publishes, completed == published { restEverywhere() }
    }

    /// The publisher may say so before the order to pause is here.
    private mutating func rest() {
        if stage == .measuring { result.end(plan, on: worker) }
        stage = .resting
        monitor.deliver(result)
    }

    private mutating func restEverywhere() {
        rest()
        tellOthers(.rest)
    }

    private mutating func cease() {
        guard stage == .measuring else { return }
        stage = .ceasing
        if publishes, completed == published { finishEverywhere() }
    }

    /// The publisher alone knows when the last frame is complete.
    private mutating func finishEverywhere() {
        finish()
        tellOthers(.finish)
    }

    private func tellOthers(_ order: LoadOrder) {
        for other in 1..<max(1, plan.workers) {
            do throws(IOCPError) {
                try worker.port.post(order.rawValue, toWorker: other)
            } catch {
                monitor.postFailed(error)
            }
        }
    }

    private mutating func finish() {
        guard stage != .over else { return }
        result.end(plan, on: worker)
        if publishes {
            var sequence = completed
            while sequence < published {
                sequence += 1
                result.unanswered += board.lacking(sequence)
            }
        }
        stage = .over
        monitor.deliver(result)
    }
}
#endif

#if Command
import IOCP

/// The closed loop: opens its worker's connections, has each echo a message, then keeps the active ones busy.
struct LoadEcho: ConnectionHandler, Handles.Started, Handles.Opened, Handles.ConnectFailed, Handles.Closed, Handles
        .Posted
{
    /// A connection's state is its index on this worker, in the order of opening.
    typealias State = Int

    private enum Stage {
        case connecting, measuring
        /// Between two turns: until everything is answered, and then until the next one.
        case pausing, resting
        case over
    }

    private let plan: LoadPlan
    private let pattern: LoadPattern
    private let monitor: LoadMonitor
    private let worker: Worker
    private let depth: Int
    private let activeCount: Int

    private var stage = Stage.connecting
    private var connector: LoadConnector
    private var opened = 0
    private var active: [IocpContext<Int>] = []
    private var streams: [LoadStream]
    /// Of each active connection, which of its entries in `sentAt` is the due message's; the message that answers its
    /// echo takes it over.
    private var turns: [Int32]
    private var sentAt: [UInt64]
    /// Answers that are due before the load rests; only while it is pausing.
    private var outstanding = 0
    private var result = LoadResult()

    init(_ plan: LoadPlan, _ pattern: LoadPattern, depth: Int, _ monitor: LoadMonitor, _ worker: Worker) {
        (self.plan, self.depth, self.monitor, self.worker) = (plan, depth, monitor, worker)
        self.pattern = pattern
        connector = LoadConnector(plan, monitor, ofWorker: worker.index)
        activeCount = plan.active(ofWorker: worker.index)
        active.reserveCapacity(activeCount)
        streams = plan.streams(pattern, ofWorker: worker.index)
        turns = Array(repeating: 0, count: activeCount)
        sentAt = Array(repeating: 0, count: activeCount * depth)
    }

    // MARK: Connecting

    mutating func started(on worker: Worker) {
        connector.connectMore(on: worker)
    }

    mutating func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) {
        monitor.connectFailed(error, of: plan.number(of: Int(key), onWorker: worker.index))
        monitor.gone()
    }

    mutating func makeState() -> Int {
        defer { opened += 1 }
        return opened
    }

    mutating func opened(_ connection: IocpContext<Int>) throws(IOCPError) {
        monitor.connected()
        if connection.state < activeCount { active.append(connection) }
        try send(on: connection, connection.state)
    }

    // MARK: Echoes

    mutating func received(_ bytes: RawSpan, on connection: IocpContext<Int>) throws(IOCPError) {
        let index = connection.state
        // The rest of a batch still comes after an abort.
        guard !streams[index].isCondemned else { return }
        switch streams[index].receive(bytes, pattern) {
        case .wrong(let what): condemn(connection, index, what)
        case .echoes(0): break
        case .echoes(let count):
            let now = MonotonicClock.nanoseconds()
            for _ in 0..<count { try echoed(on: connection, index, at: now) }
        }
    }

    private mutating func echoed(on connection: IocpContext<Int>, _ index: Int, at now: UInt64) throws(IOCPError) {
        switch stage {
        case .connecting:
            monitor.established()
            connector.arrived(on: worker)
        case .measuring:
            let entry = index * depth + Int(turns[index])
            result.latency.record(now - sentAt[entry])
            try send(on: connection, index)
            sentAt[entry] = now
            turns[index] += 1
            if turns[index] == depth { turns[index] = 0 }
        case .pausing:
            outstanding -= 1
            if outstanding == 0 { rest() }
        case .resting, .over:
            break
        }
    }

    private mutating func send(on connection: IocpContext<Int>, _ index: Int) throws(IOCPError) {
        do throws(IOCPError) {
            try streams[index].send(pattern, on: connection)
        } catch {
            if monitor.sendFailed(error, of: plan.number(of: index, onWorker: worker.index)) {
                streams[index].isCondemned = true
            }
            throw error
        }
    }

    // MARK: Faults

    private mutating func condemn(_ connection: IocpContext<Int>, _ index: Int, _ what: String) {
        guard stage != .over else { return }
        let number = plan.number(of: index, onWorker: worker.index)
        monitor.mismatched("connection \(number): \(what)", of: number)
        streams[index].isCondemned = true
        connection.abort()
    }

    mutating func closed(_ connection: IocpContext<Int>, reason: CloseReason) {
        guard stage != .over, !monitor.isEnding else { return }
        let index = connection.state
        if !streams[index].isCondemned { monitor.closed(reason, of: plan.number(of: index, onWorker: worker.index)) }
        monitor.gone()
        if index < activeCount { monitor.activeLost() }
    }

    // MARK: Orders

    mutating func posted(_ value: UInt64, to connection: IocpContext<Int>?, on worker: Worker) {
        switch LoadOrder(rawValue: value) {
        case .begin: begin()
        case .settled: settled()
        case .pause: pause()
        case .cease, .finish: finish()
        default: break
        }
    }

    private mutating func begin() {
        stage = .measuring
        result = LoadResult(plan, beganOn: worker)
        let now = result.began
        for connection in active where connection.isOpen {
            let index = connection.state
            do throws(IOCPError) {
                for turn in 0..<depth {
                    sentAt[index * depth + turn] = now
                    try send(on: connection, index)
                }
            } catch {
                connection.abort()
            }
        }
    }

    private mutating func settled() {
        if stage == .measuring { result = LoadResult(plan, beganOn: worker) }
    }

    private mutating func pause() {
        guard stage == .measuring else { return }
        result.end(plan, on: worker)
        stage = .pausing
        outstanding = active.reduce(0) { $0 + Int(streams[$1.state].outstanding) }
        if outstanding == 0 { rest() }
    }

    private mutating func rest() {
        stage = .resting
        monitor.deliver(result)
    }

    /// What is outstanding in a closed loop is as much as ever, and so says nothing: nobody waits for it.
    private mutating func finish() {
        guard stage != .over else { return }
        stage = .over
        result.end(plan, on: worker)
        monitor.deliver(result)
    }
}
#endif

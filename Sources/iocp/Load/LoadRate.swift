#if Command
import IOCP

/// The open loop: sends what the schedule says when it says so, and takes each latency from the scheduled time.
struct LoadRate: ConnectionHandler, Handles.Started, Handles.Opened, Handles.ConnectFailed, Handles.Closed, Handles
        .Posted
{
    /// A connection's state is its index on this worker, in the order of opening.
    typealias State = Int

    private enum Stage {
        case connecting, measuring
        /// Between two turns: until everything is answered, and then until the next one.
        case pausing, resting
        case ceasing, over
    }

    private let plan: LoadPlan
    private let pattern: LoadPattern
    private let monitor: LoadMonitor
    private let pacer: LoadPacer
    private let worker: Worker
    private let activeCount: Int

    private var stage = Stage.connecting
    private var schedule: LoadSchedule
    private var connector: LoadConnector
    private var opened = 0
    private var active: [IocpContext<Int>] = []
    private var streams: [LoadStream]
    /// Measured messages that were answered, of each active connection.
    private var answered: [Int]
    /// The next message in the schedule that is this worker's.
    private var next = (message: 0, index: 0)
    private var outstanding = 0
    /// A message that was due earlier, while the load settled, is not measured.
    private var measuredFrom: UInt64 = 0
    private var result = LoadResult()

    /// Messages sent in one go when the load has fallen behind; then it reads what came.
    private static let burstMax = 1_024

    init(
        _ plan: LoadPlan, _ pattern: LoadPattern, perSecond: Int, _ monitor: LoadMonitor, _ pacer: LoadPacer,
        _ worker: Worker
    ) {
        (self.plan, self.monitor, self.pacer, self.worker) = (plan, monitor, pacer, worker)
        self.pattern = pattern
        schedule = LoadSchedule(perSecond: perSecond, active: plan.active)
        connector = LoadConnector(plan, monitor, ofWorker: worker.index)
        activeCount = plan.active(ofWorker: worker.index)
        active.reserveCapacity(activeCount)
        streams = plan.streams(pattern, ofWorker: worker.index)
        answered = Array(repeating: 0, count: activeCount)
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
        case .echoes(let count):
            let now = MonotonicClock.nanoseconds()
            for _ in 0..<count { echoed(index, at: now) }
        }
        sendDue()
    }

    private mutating func echoed(_ index: Int, at now: UInt64) {
        guard stage != .connecting else {
            monitor.established()
            connector.arrived(on: worker)
            return
        }
        outstanding -= 1
        let due = time(ofMessage: answered[index], on: index)
        if stage != .over, due >= measuredFrom { result.latency.record(now - due) }
        answered[index] += 1
        guard outstanding == 0 else { return }
        switch stage {
        case .pausing: rest()
        case .ceasing: finish()
        case .connecting, .measuring, .resting, .over: break
        }
    }

    private func time(ofMessage message: Int, on index: Int) -> UInt64 {
        schedule.time(ofMessage: message, onConnection: plan.number(of: index, onWorker: worker.index))
    }

    // MARK: The schedule

    private mutating func sendDue() {
        guard stage == .measuring, activeCount > 0 else { return }
        var due = time(ofMessage: next.message, on: next.index)
        for _ in 0..<LoadRate.burstMax {
            let now = MonotonicClock.nanoseconds()
            guard due <= now else { break }
            sendNext(due: due, at: now)
            due = time(ofMessage: next.message, on: next.index)
        }
        pacer.setNext(due, ofWorker: worker.index)
    }

    private mutating func sendNext(due: UInt64, at now: UInt64) {
        let index = next.index
        next = index + 1 == activeCount ? (next.message + 1, 0) : (next.message, index + 1)
        // A connection that is gone was counted as a fault.
        guard active[index].isOpen, !streams[index].isCondemned else { return }
        do throws(IOCPError) {
            try send(on: active[index], index)
            outstanding += 1
            if due >= measuredFrom { result.besides.record(now - due) }
        } catch {
            active[index].abort()
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
        // What it was sent before is answered by nobody.
        streams[index].isCondemned = true
        if index < activeCount { monitor.activeLost() }
    }

    // MARK: Orders

    mutating func posted(_ value: UInt64, to connection: IocpContext<Int>?, on worker: Worker) {
        switch LoadOrder(rawValue: value) {
        case .begin: begin()
        case .settled: settled()
        case .pause: pause()
        case .tick: sendDue()
        case .cease: cease()
        case .finish: finish()
        default: break
        }
    }

    private mutating func begin() {
        stage = .measuring
        result = LoadResult(plan, beganOn: worker)
        measuredFrom = 0
        next = (0, 0)
        for index in answered.indices { answered[index] = 0 }
        // Later by what the pacer takes to notice the first message.
        schedule.began = result.began + 2 * LoadPacer.noticesWithinNanoseconds
        sendDue()
    }

    private mutating func settled() {
        guard stage == .measuring else { return }
        result = LoadResult(plan, beganOn: worker)
        measuredFrom = result.began
    }

    private mutating func pause() {
        guard stage == .measuring else { return }
        sendRest()
        stage = .pausing
        if outstanding == 0 { rest() }
    }

    /// The last answers are measured as well: a stall at the end must show.
    private mutating func rest() {
        stage = .resting
        pacer.rest(worker: worker.index)
        result.end(plan, on: worker)
        monitor.deliver(result)
    }

    private mutating func cease() {
        guard stage == .measuring else { return }
        sendRest()
        stage = .ceasing
        if outstanding == 0 { finish() }
    }

    /// What was due until now still leaves: a load that fell behind must not drop its latest messages.
    private mutating func sendRest() {
        let now = MonotonicClock.nanoseconds()
        while activeCount > 0 {
            let due = time(ofMessage: next.message, on: next.index)
            guard due <= now else { break }
            sendNext(due: due, at: now)
        }
    }

    private mutating func finish() {
        guard stage != .over else { return }
        stage = .over
        result.end(plan, on: worker)
        result.unanswered = outstanding
        monitor.deliver(result)
    }
}
#endif

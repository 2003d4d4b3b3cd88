#if Command
import IOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The churn: every lane connects, echoes one message, closes, and begins again.
///
/// A lane sends FIN once its echo is whole, and its cycle ends with the server's FIN, as most clients do it. So TIME_WAIT
/// is held here, 60 s for each cycle, and the plan's local addresses are taken in turn to have ports enough. An abort
/// would spare that, but a server sees a reset then, which is another path than the one that clients make it take.
struct LoadChurn:
    ConnectionHandler, Handles.Started, Handles.Opened, Handles.ConnectFailed, Handles.Closed, Handles.Posted
{
    private enum Stage {
        /// The first cycle of each lane, not measured.
        case connecting
        case measuring
        /// Between two turns: until every cycle has ended, and then until the next one.
        case pausing, resting
        case ceasing, over
    }

    private struct Lane {
        var stream: LoadStream
        /// When the connect was asked for.
        var began: UInt64 = 0
        var hasEchoed = false
    }

    private let plan: LoadPlan
    private let pattern: LoadPattern
    private let monitor: LoadMonitor
    private let worker: Worker

    private var stage = Stage.connecting
    private var connector: LoadConnector
    /// The key of a connection is its lane.
    private var lanes: [Lane]
    private var busyCount = 0
    /// Lanes whose connect found the completion queue full.
    private var postponed: [Int] = []
    private var cycles = 0
    private var result = LoadResult()

    init(_ plan: LoadPlan, _ pattern: LoadPattern, _ monitor: LoadMonitor, _ worker: Worker) {
        (self.plan, self.monitor, self.worker) = (plan, monitor, worker)
        self.pattern = pattern
        connector = LoadConnector(plan, monitor, ofWorker: worker.index)
        lanes = plan.streams(pattern, ofWorker: worker.index).map { Lane(stream: $0) }
        postponed.reserveCapacity(lanes.count)
    }

    mutating func started(on worker: Worker) {
        connector.connectMore(on: worker)
    }

    // MARK: A cycle

    private mutating func connect(_ lane: Int) {
        lanes[lane].began = MonotonicClock.nanoseconds()
        lanes[lane].hasEchoed = false
        let number = plan.number(of: cycles, onWorker: worker.index)
        do throws(IOCPError) {
            try worker.connect(
                to: plan.target, from: plan.source(ofConnection: number), key: UInt64(lane), security: plan.security)
            cycles += 1
            busyCount += 1
        } catch {
            if error.code == EBUSY, busyCount > 0 {
                postponed.append(lane)
            } else {
                monitor.connectFailed(error, of: self.number(lane))
                lost()
            }
        }
    }

    /// Each is tried once, since one that is refused again goes to the end.
    private mutating func connectPostponed() {
        for _ in 0..<postponed.count { connect(postponed.removeFirst()) }
    }

    mutating func opened(_ connection: IocpContext<Void>) throws(IOCPError) {
        let lane = Int(connection.key)
        monitor.connected()
        if stage == .measuring || stage == .ceasing {
            result.besides.record(MonotonicClock.nanoseconds() - lanes[lane].began)
        }
        do throws(IOCPError) {
            try lanes[lane].stream.send(pattern, on: connection)
        } catch {
            if monitor.sendFailed(error, of: number(lane)) { lanes[lane].stream.isCondemned = true }
            throw error
        }
    }

    mutating func received(_ bytes: RawSpan, on connection: IocpContext<Void>) throws(IOCPError) {
        let lane = Int(connection.key)
        guard !lanes[lane].stream.isCondemned else { return }
        switch lanes[lane].stream.receive(bytes, pattern) {
        case .wrong(let what):
            guard stage != .over else { return }
            monitor.mismatched("connection \(number(lane)): \(what)", of: number(lane))
            lanes[lane].stream.isCondemned = true
            connection.abort()
        case .echoes(0): break
        case .echoes:
            lanes[lane].hasEchoed = true
            // Bytes that a server sends too many are still received, and seen.
            try connection.finishSending()
        }
    }

    mutating func closed(_ connection: IocpContext<Void>, reason: CloseReason) {
        let lane = Int(connection.key)
        guard stage != .over, !monitor.isEnding else { return }
        if stage != .connecting { busyCount -= 1 }
        guard reason == .peer, lanes[lane].hasEchoed, !lanes[lane].stream.isCondemned else {
            if !lanes[lane].stream.isCondemned { monitor.closed(reason, of: number(lane)) }
            lost()
            return
        }
        switch stage {
        case .connecting:
            monitor.established()
            connector.arrived(on: worker)
        case .measuring, .pausing, .ceasing: ended(lane)
        case .resting, .over: break
        }
    }

    private mutating func ended(_ lane: Int) {
        guard stage != .pausing else {
            if busyCount == 0 { rest() }
            return
        }
        result.latency.record(MonotonicClock.nanoseconds() - lanes[lane].began)
        guard stage == .measuring else {
            if busyCount == 0 { finish() }
            return
        }
        if postponed.isEmpty {
            connect(lane)
        } else {
            postponed.append(lane)
            connectPostponed()
        }
    }

    mutating func connectFailed(_ error: IOCPError, key: UInt64, on worker: Worker) {
        if stage != .connecting { busyCount -= 1 }
        monitor.connectFailed(error, of: number(Int(key)))
        lost()
    }

    private func number(_ lane: Int) -> Int { plan.number(of: lane, onWorker: worker.index) }

    /// A lane has come to its end.
    private func lost() {
        monitor.gone()
        monitor.activeLost()
    }

    // MARK: Orders

    mutating func posted(_ value: UInt64, to connection: IocpContext<Void>?, on worker: Worker) {
        switch LoadOrder(rawValue: value) {
        case .begin: begin()
        case .settled: settled()
        case .pause: pause()
        case .cease: cease()
        case .finish: finish()
        default: break
        }
    }

    private mutating func begin() {
        stage = .measuring
        result = LoadResult(plan, beganOn: worker)
        for lane in lanes.indices { connect(lane) }
    }

    private mutating func settled() {
        if stage == .measuring { result = LoadResult(plan, beganOn: worker) }
    }

    private mutating func pause() {
        guard stage == .measuring else { return }
        result.end(plan, on: worker)
        stage = .pausing
        postponed = []
        if busyCount == 0 { rest() }
    }

    private mutating func rest() {
        stage = .resting
        monitor.deliver(result)
    }

    private mutating func cease() {
        guard stage == .measuring else { return }
        stage = .ceasing
        postponed = []
        if busyCount == 0 { finish() }
    }

    private mutating func finish() {
        guard stage != .over else { return }
        stage = .over
        result.end(plan, on: worker)
        result.unanswered = busyCount
        monitor.deliver(result)
    }
}
#endif

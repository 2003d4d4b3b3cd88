#if Command
import IOCP
import Synchronization

/// A hold from its first connection to its last, seen from the main thread.
struct HoldRun {
    let plan: HoldPlan
    let connectTimeout: Duration
    /// How long nothing is sent, and then how long the heartbeat is measured alone.
    let rest: Duration
    let beat: Duration
    let signals: TerminationSignals
    /// Told what each phase came to, as it ends, and that one begins.
    let tell: (HoldPhase) -> Void

    /// Far longer than anything that works.
    private static let stepWithin: Duration = .seconds(120)
    /// The last messages are on their way.
    private static let settle: Duration = .seconds(2)
    private static let beatSettle: Duration = .seconds(1)

    struct Outcome {
        /// Why it failed in one line, or nil.
        let failure: String?
        /// The signal that ended it early, or nil.
        let interruption: Int32?
    }

    func perform() throws -> Outcome {
        let board = HoldBoard()
        signals.onFirst { board.interrupt(by: $0) }
        let pattern = try LoadPattern(messageBytes: plan.messageBytes)
        let pacer = LoadPacer(workers: plan.workers)
        let client = try IOCPClient(plan.portConfiguration) { [plan] worker throws(IOCPError) in
            HoldHandler(plan, pattern, board, pacer, worker)
        }
        client.port.warnAboutFallback()
        let failure = try pacer.run(on: client.port) { () throws(IOCPError) in try phases(board, client.port) }
        client.stop()
        try client.wait()
        return Outcome(failure: failure, interruption: board.interruption)
    }

    private func order(_ order: HoldOrder, on port: CompletionPort) throws(IOCPError) {
        for worker in 0..<plan.workers { try port.post(order.rawValue, toWorker: worker) }
    }

    private func phases(_ board: HoldBoard, _ port: CompletionPort) throws(IOCPError) -> String? {
        let steps: [(HoldBoard, CompletionPort) throws(IOCPError) -> String?] = [
            connect, idle, heartbeat, storm, broadcast, finish,
        ]
        for step in steps {
            if let failure = try step(board, port) {
                tell(.account(board, plan))
                return board.faults.description ?? failure
            }
        }
        tell(.account(board, plan))
        return board.faults.description
    }

    /// In words why a step did not come to its end, or nil.
    private func failure(_ board: HoldBoard, _ came: Bool, _ words: @autoclosure () -> String) -> String? {
        if board.interruption != nil { return "interrupted" }
        return came && board.faults.isEmpty ? nil : words()
    }

    // MARK: The phases

    private func connect(_ board: HoldBoard, _ port: CompletionPort) throws(IOCPError) -> String? {
        var phase = HoldPhase("connect", plan)
        tell(phase.beginning)
        let deadline = ContinuousClock.now + connectTimeout
        var perSecond: [Int] = []
        var before = 0
        var due = ContinuousClock.now + .seconds(1)
        var isUp = false
        while !isUp, board.faults.isEmpty, board.interruption == nil, .now < deadline {
            isUp = board.wait(until: min(due, deadline)) {
                board.opened.load(ordering: .relaxed) == plan.connections || !board.faults.isEmpty
            }
            if due <= .now {
                let now = board.opened.load(ordering: .relaxed)
                perSecond.append(now - before)
                before = now
                due += .seconds(1)
                Console.note("connecting: \(now) of \(plan.connections), \(perSecond.last!)/s")
            }
        }
        let opened = board.opened.load(ordering: .relaxed)
        // The last one's time, which is that of another event where not all came.
        phase.end(at: opened == plan.connections ? board.lastChange : nil, plan)
        phase.count = opened
        phase.perSecond = perSecond
        tell(phase)
        return failure(
            board, opened == plan.connections,
            "\(opened) of \(plan.connections) connections were up within \(connectTimeout / .seconds(1)) s")
    }

    private func idle(_ board: HoldBoard, _ port: CompletionPort) throws(IOCPError) -> String? {
        _ = board.wait(until: .now + HoldRun.settle) { !board.faults.isEmpty }
        var phase = HoldPhase("hold", plan)
        tell(phase.beginning)
        _ = board.wait(until: .now + rest) { !board.faults.isEmpty }
        phase.end(at: nil, plan)
        phase.count = board.opened.load(ordering: .relaxed)
        tell(phase)
        return failure(board, true, "a connection ended while it was held")
    }

    private func heartbeat(_ board: HoldBoard, _ port: CompletionPort) throws(IOCPError) -> String? {
        guard plan.active > 0 else { return nil }
        // Once before, so that caches and batches are as they will be.
        _ = try beat(HoldRun.beatSettle, board, port)
        var phase = HoldPhase("heartbeat", plan)
        tell(phase.beginning)
        let result = try beat(beat, board, port)
        phase.end(at: nil, plan)
        phase.set(result, plan)
        tell(phase)
        return failure(board, result != nil, "heartbeats were not answered within \(HoldRun.stepWithin)")
    }

    private func beat(_ time: Duration, _ board: HoldBoard, _ port: CompletionPort) throws(IOCPError) -> LoadResult? {
        try order(.beat, on: port)
        _ = board.wait(until: .now + time) { !board.faults.isEmpty }
        return try restBeat(board, port)
    }

    private func restBeat(_ board: HoldBoard, _ port: CompletionPort) throws(IOCPError) -> LoadResult? {
        try order(.rest, on: port)
        let isAnswered = board.wait(until: .now + HoldRun.stepWithin) {
            board.beatCount == plan.activeWorkers || !board.faults.isEmpty
        }
        return isAnswered ? board.takeBeat() : nil
    }

    /// The heartbeat goes on meanwhile.
    private func storm(_ board: HoldBoard, _ port: CompletionPort) throws(IOCPError) -> String? {
        guard plan.reconnects > 0 else { return nil }
        // Whoever reads the line of the heartbeat takes its samples meanwhile.
        _ = board.wait(until: .now + HoldRun.settle) { !board.faults.isEmpty }
        if plan.active > 0 { try order(.beat, on: port) }
        var phase = HoldPhase("reconnect", plan)
        tell(phase.beginning)
        try order(.drop, on: port)
        let areBack = board.wait(until: .now + HoldRun.stepWithin) {
            board.reconnected.load(ordering: .relaxed) == plan.reconnects || !board.faults.isEmpty
        }
        phase.end(at: board.lastChange, plan)
        let result = plan.active > 0 ? try restBeat(board, port) : nil
        phase.count = board.reconnected.load(ordering: .relaxed)
        phase.set(result, plan)
        tell(phase)
        return failure(
            board, areBack, "\(phase.count ?? 0) of \(plan.reconnects) came back within \(HoldRun.stepWithin)")
    }

    private func broadcast(_ board: HoldBoard, _ port: CompletionPort) throws(IOCPError) -> String? {
        guard plan.publishTarget != nil else { return nil }
        let isReady = { board.expecting.load(ordering: .relaxed) == plan.workers || !board.faults.isEmpty }
        try order(.expect, on: port)
        guard board.wait(until: .now + HoldRun.stepWithin, for: isReady) else {
            return failure(board, false, "the load's workers are late")
        }
        var phase = HoldPhase("broadcast", plan)
        tell(phase.beginning)
        try port.post(HoldOrder.publish.rawValue, toWorker: 0)
        let isThere = board.wait(until: .now + HoldRun.stepWithin) {
            board.delivered.load(ordering: .relaxed) == plan.connections || !board.faults.isEmpty
        }
        phase.end(at: board.lastChange, plan)
        phase.count = board.delivered.load(ordering: .relaxed)
        tell(phase)
        return failure(
            board, isThere,
            "\(phase.count ?? 0) of \(plan.connections) connections got the frame within \(HoldRun.stepWithin)")
    }

    private func finish(_ board: HoldBoard, _ port: CompletionPort) throws(IOCPError) -> String? {
        var phase = HoldPhase("close", plan)
        tell(phase.beginning)
        try order(.finish, on: port)
        let areGone = board.wait(until: .now + HoldRun.stepWithin) {
            board.finished.load(ordering: .relaxed) + board.lost.load(ordering: .relaxed) >= plan.connections
        }
        phase.end(at: board.lastChange, plan)
        phase.count = board.finished.load(ordering: .relaxed)
        tell(phase)
        return failure(
            board, areGone, "\(phase.count ?? 0) of \(plan.connections) were closed within \(HoldRun.stepWithin)")
    }
}
#endif

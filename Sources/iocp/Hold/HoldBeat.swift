#if Command
import IOCP

/// The heartbeat of one worker's active connections: an open loop, each latency from the scheduled time.
struct HoldBeat {
    enum State { case resting, beating, ending }

    private let plan: HoldPlan
    private let pattern: LoadPattern
    private let board: HoldBoard
    private let pacer: LoadPacer
    private let worker: Int
    let activeCount: Int

    private(set) var state = State.resting
    private var schedule: LoadSchedule
    private var streams: [LoadStream]
    private var answered: [Int]
    private var next = (message: 0, index: 0)
    private var outstanding = 0
    private var result = LoadResult()

    /// Messages sent in one go when the load has fallen behind; then it reads what came.
    private static let burstMax = 1_024
    /// Beats leave in rounds: were each sent by itself, the load would spend half of its core on waking up, itself and the server.
    private static let roundNanoseconds: UInt64 = 1_000_000

    init(_ plan: HoldPlan, _ pattern: LoadPattern, _ board: HoldBoard, _ pacer: LoadPacer, ofWorker worker: Int) {
        (self.plan, self.pattern, self.board, self.pacer, self.worker) = (plan, pattern, board, pacer, worker)
        activeCount = plan.active(ofWorker: worker)
        schedule = LoadSchedule(
            perSecond: plan.rate(ofWorker: worker), active: max(1, activeCount),
            roundNanoseconds: HoldBeat.roundNanoseconds)
        streams = (0..<activeCount).map {
            LoadStream(firstPhase: pattern.firstPhase(ofConnection: plan.number(of: $0, onWorker: worker)))
        }
        answered = Array(repeating: 0, count: activeCount)
    }

    mutating func begin(_ contexts: [IocpContext<Void>?]) {
        guard activeCount > 0 else { return }
        state = .beating
        result = LoadResult()
        result.began = MonotonicClock.nanoseconds()
        next = (0, 0)
        for index in answered.indices { answered[index] = 0 }
        // Later by what the pacer takes to notice the first message.
        schedule.began = result.began + 2 * LoadPacer.noticesWithinNanoseconds
        sendDue(contexts)
    }

    mutating func sendDue(_ contexts: [IocpContext<Void>?]) {
        guard state == .beating else { return }
        var due = schedule.time(ofMessage: next.message, onConnection: next.index)
        for _ in 0..<HoldBeat.burstMax {
            let now = MonotonicClock.nanoseconds()
            guard due <= now else { break }
            send(contexts, due: due, at: now)
            due = schedule.time(ofMessage: next.message, onConnection: next.index)
        }
        pacer.setNext(due, ofWorker: worker)
    }

    private mutating func send(_ contexts: [IocpContext<Void>?], due: UInt64, at now: UInt64) {
        let index = next.index
        next = index + 1 == activeCount ? (next.message + 1, 0) : (next.message, index + 1)
        // One that is gone was counted as a fault.
        guard let context = contexts[index], !context.isClosing else { return }
        do throws(IOCPError) {
            try streams[index].send(pattern, on: context)
            outstanding += 1
            result.besides.record(now - due)
        } catch {
            board.failed(error, of: plan.number(of: index, onWorker: worker))
        }
    }

    /// Echoes came for an active connection. Returns what is wrong with them, in words, or nil.
    mutating func received(_ bytes: RawSpan, at index: Int) -> String? {
        switch streams[index].receive(bytes, pattern) {
        case .wrong(let what): return what
        case .echoes(let count):
            let now = MonotonicClock.nanoseconds()
            for _ in 0..<count {
                outstanding -= 1
                let due = schedule.time(ofMessage: answered[index], onConnection: index)
                result.latency.record(now - min(now, due))
                answered[index] += 1
            }
            endIfAnswered()
            return nil
        }
    }

    /// What was due until now still leaves; the last answers are measured as well.
    mutating func end(_ contexts: [IocpContext<Void>?]) {
        guard state == .beating else { return }
        let now = MonotonicClock.nanoseconds()
        while true {
            let due = schedule.time(ofMessage: next.message, onConnection: next.index)
            guard due <= now else { break }
            send(contexts, due: due, at: now)
        }
        state = .ending
        pacer.rest(worker: worker)
        endIfAnswered()
    }

    private mutating func endIfAnswered() {
        guard state == .ending, outstanding == 0 else { return }
        state = .resting
        result.ended = MonotonicClock.nanoseconds()
        board.deliver(result)
    }
}
#endif

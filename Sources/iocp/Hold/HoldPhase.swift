#if Command
import IOCP

/// What one phase of a hold came to, as a line of text and as JSON.
struct HoldPhase: Encodable {
    let phase: String
    /// The line that a phase begins with; its figures come with the line that ends it.
    private var event = "ended"
    /// On the monotonic clock.
    private let beganNs: UInt64
    private var endedNs: UInt64 = 0
    private var seconds = 0.0
    /// Connections that opened, came back, got the frame, or were closed.
    var count: Int?
    /// Of the connects: in each whole second.
    var perSecond: [Int]?
    private var messages: Int?
    private var rate: Double?
    private var latency, behind: LoadLatency.Document?
    private var words: String?
    private var loadCPU, serverCPU: Double?
    private var account: Account?
    private var cpu = LoadCPU()

    /// Where every connection went. `opened` is the sum of the ends.
    private struct Account: Encodable {
        let opened, reconnected, dropped, finished, lost, refused, errors, mismatches: Int
        let publishers: Int
    }

    enum CodingKeys: String, CodingKey {
        case phase, event, seconds, count, messages, account
        case beganNs = "began_ns"
        case endedNs = "ended_ns"
        case perSecond = "per_second"
        case rate = "messages_per_second"
        case latency = "latency_us"
        case behind = "behind_schedule_us"
        case loadCPU = "load_cpu_us"
        case serverCPU = "server_cpu_us"
    }

    init(_ phase: String, _ plan: HoldPlan) {
        self.phase = phase
        beganNs = MonotonicClock.nanoseconds()
        cpu = HoldPhase.cpu(plan)
    }

    private static func cpu(_ plan: HoldPlan) -> LoadCPU {
        LoadCPU(
            load: LoadCPU.time(of: 0) ?? 0, server: plan.serverProcess.flatMap { LoadCPU.time(of: $0) } ?? 0)
    }

    var beginning: HoldPhase {
        var other = self
        other.event = "began"
        return other
    }

    /// - Parameter time: of the last event; nil or an earlier one than the beginning: now.
    mutating func end(at time: UInt64?, _ plan: HoldPlan) {
        let now = MonotonicClock.nanoseconds()
        endedNs = time.map { $0 > beganNs ? $0 : now } ?? now
        seconds = Double(endedNs - beganNs) / 1e9
        let taken = HoldPhase.cpu(plan) - cpu
        loadCPU = Double(taken.load) / 1e3
        if plan.serverProcess != nil { serverCPU = Double(taken.server) / 1e3 }
    }

    mutating func set(_ result: LoadResult?, _ plan: HoldPlan) {
        guard let result, result.messages > 0 else { return }
        messages = result.messages
        rate = (Double(result.messages) / result.seconds).rounded()
        latency = result.latency.document
        behind = result.besides.document
        words =
            result.latency.description + " (the load was late by p99 "
            + Figure.nanoseconds(result.besides.percentile(99)) + ")"
    }

    static func account(_ board: HoldBoard, _ plan: HoldPlan) -> HoldPhase {
        var phase = HoldPhase("account", plan)
        let faults = board.faults
        phase.account = Account(
            opened: board.opened.load(ordering: .relaxed), reconnected: board.reconnected.load(ordering: .relaxed),
            dropped: board.dropped.load(ordering: .relaxed), finished: board.finished.load(ordering: .relaxed),
            lost: board.lost.load(ordering: .relaxed), refused: board.refused.load(ordering: .relaxed),
            errors: faults.errors, mismatches: faults.mismatches,
            publishers: board.publisherOpened.load(ordering: .relaxed))
        phase.end(at: nil, plan)
        return phase
    }

    // MARK: Text

    var isBeginning: Bool { event == "began" }

    var line: String {
        let time = "\(Figure.rounded(seconds, decimals: 2)) s"
        let number = Figure.count(UInt64(count ?? 0))
        switch phase {
        case "connect":
            let rates = perSecond ?? []
            let spread = rates.isEmpty ? "" : ", per second \(rates.min()!) to \(rates.max()!)"
            return "connected: \(number) in \(time), \(Int(Double(count ?? 0) / max(seconds, 0.001)))/s\(spread)"
        case "hold": return "held: \(number) for \(time)" + serverShare
        case "heartbeat":
            return "heartbeat: \(Int(rate ?? 0)) msg/s, " + (words ?? "nothing came back") + serverShare
        case "reconnect":
            return "reconnected: \(number) in \(time)" + (words.map { ", heartbeat meanwhile \($0)" } ?? "")
        case "broadcast": return "broadcast: \(number) connections in \(time)"
        case "close": return "closed: \(number) in \(time)"
        default:
            guard let account else { return phase }
            return "account: \(account.opened) opened = \(account.finished) closed + \(account.dropped) dropped + "
                + "\(account.lost) lost; \(account.refused) refused, \(account.errors) errors, "
                + "\(account.mismatches) mismatches"
        }
    }

    private var serverShare: String {
        guard let serverCPU, seconds > 0 else { return "" }
        return ", server \(Figure.rounded(serverCPU / seconds / 1e4, decimals: 2)) % of a core"
    }
}
#endif

import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The answer to "connections": the workers are asked all at once, and their connections told in one order.
struct AdminSurvey {
    private let query: iocp_survey_query
    /// Between sample and question; 0: there is no sample.
    private let intervalMilliseconds: UInt32

    /// For the answers of all workers together; one whose handler stalls gives none.
    private static let patienceNanoseconds: UInt64 = 2_000_000_000

    init(_ request: AdminRequest) throws(AdminRequest.Refusal) {
        var query = iocp_survey_query()
        query.filter = try request.filter()
        query.limit = try request.number("limit", 1...UInt32(IOCP_SURVEY_ENTRIES_MAX), otherwise: 20)
        query.aborts = try request.number("kill", 0...1, otherwise: 0) == 1
        if query.aborts, query.filter.connection == 0, !query.filter.by_peer {
            throw AdminRequest.Refusal(words: "kill takes id or peer, so that nobody ends every connection by a slip")
        }
        let name = request.text("order") ?? "busy"
        guard let order = ConnectionOrder(rawValue: String(name)) else {
            let all = ConnectionOrder.allCases.map(\.rawValue).joined(separator: ", ")
            throw AdminRequest.Refusal(words: "'\(String(name).printable)' is no order: there are \(all)")
        }
        query.order = order.raw
        self.query = query
        let samples = order == .busy && !query.aborts
        intervalMilliseconds = samples ? try request.number("interval", 0...60_000, otherwise: 1_000) : 0
    }

    func answer(_ channel: AdminChannel, _ desk: AdminDesk) throws(AdminRequest.Refusal) {
        guard let workerCount = desk.port?.workerCount else { throw .gone }
        var surveys: [WorkerSurvey] = []
        for worker in 0..<workerCount {
            guard let survey = WorkerSurvey(worker, query) else { throw AdminRequest.Refusal(words: "out of memory") }
            surveys.append(survey)
        }
        if intervalMilliseconds > 0 {
            try ask(surveys, desk, samples: true)
            if channel.isEnded(within: Int32(intervalMilliseconds)) { return }
        }
        try ask(surveys, desk, samples: false)
        guard let port = desk.port else { throw .gone }
        tell(surveys, port, channel)
    }

    private func ask(_ surveys: [WorkerSurvey], _ desk: AdminDesk, samples: Bool) throws(AdminRequest.Refusal) {
        guard let port = desk.port else { throw .gone }
        for survey in surveys { survey.ask(port, samples: samples) }
        let deadline = iocp_monotonic_ns() + AdminSurvey.patienceNanoseconds
        for survey in surveys { survey.wait(until: deadline) }
    }

    private func tell(_ surveys: [WorkerSurvey], _ port: CompletionPort, _ channel: AdminChannel) {
        let now = iocp_monotonic_ns()
        guard channel.say("ok 1 now=\(now) interval=\(intervalMilliseconds)\n") else { return }
        for survey in surveys {
            let totals = survey.totals
            let word = survey.result == 0 ? "ok" : IOCPError(code: survey.result, operation: .post).name
            let line = "worker index=\(survey.worker) result=\(word) connections=\(totals.connections) meant=\(totals.meant) aborted=\(totals.aborted)\n"
            guard channel.say(line) else { return }
        }
        let entries = surveys.flatMap(\.entries).sorted { $0.rank > $1.rank }.prefix(Int(query.limit))
        for entry in entries {
            guard channel.say(AdminEntry(entry, port, now: now).line) else { return }
        }
        _ = channel.say("end\n")
    }
}

/// By which connections come first: the names of the request, and of the command's option.
package enum ConnectionOrder: String, CaseIterable, Sendable {
    case busy, unsent, slow, idle, old, rtt, retransmits

    fileprivate var raw: iocp_survey_order {
        switch self {
        case .busy: IOCP_SURVEY_BUSY
        case .unsent: IOCP_SURVEY_UNSENT
        case .slow: IOCP_SURVEY_SLOW
        case .idle: IOCP_SURVEY_IDLE
        case .old: IOCP_SURVEY_OLD
        case .rtt: IOCP_SURVEY_ROUND_TRIP
        case .retransmits: IOCP_SURVEY_RETRANSMITS
        }
    }
}

/// One worker's part of a survey. Thread: one at a time.
@safe
private final class WorkerSurvey {
    let worker: Int
    private let raw: OpaquePointer
    /// 0, or why there is no answer.
    private(set) var result: Int32 = 0
    private var isAsked = false

    init?(_ worker: Int, _ query: iocp_survey_query) {
        var query = query
        guard let raw = unsafe iocp_survey_create(&query) else { return nil }
        self.worker = worker
        unsafe self.raw = raw
    }

    deinit { unsafe iocp_survey_release(raw) }

    /// A worker that gave no answer is asked no more: it may still have the last question.
    func ask(_ port: CompletionPort, samples: Bool) {
        guard result == 0 else { return }
        result = unsafe iocp_port_survey(port.raw, UInt32(worker), raw, samples)
        isAsked = result == 0
    }

    func wait(until deadline: UInt64) {
        guard isAsked else { return }
        let now = iocp_monotonic_ns()
        result = unsafe iocp_survey_wait(raw, deadline > now ? deadline - now : 0)
        isAsked = false
    }

    var totals: iocp_survey_totals { result == 0 ? unsafe iocp_survey_totals_of(raw) : iocp_survey_totals() }

    var entries: [iocp_survey_entry] {
        guard result == 0 else { return [] }
        var count: UInt32 = 0
        let start = unsafe iocp_survey_entries(raw, &count)
        return unsafe Array(UnsafeBufferPointer(start: start, count: Int(count)))
    }
}

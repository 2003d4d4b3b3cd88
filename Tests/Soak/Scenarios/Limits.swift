#if Command
import ArgumentParser
import IOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

struct Limits: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "At every limit the server refuses, waits and recovers; nobody who could be kept is lost (G6).",
        discussion: "One line for each limit; `--only` names those to reach.")

    enum Limit: String, CaseIterable, ExpressibleByArgument {
        case tableFull = "table-full"
        case receiveBuffers = "receive-buffers"
        case completionQueue = "completion-queue"
        case sendChunks = "send-chunks"
        case descriptors
    }

    @OptionGroup var options: ScenarioOptions
    @Option(parsing: .upToNextOption, help: "The limits to reach.") var only: [Limit] = Limit.allCases
    @Option(help: "Clients at each limit, 300 or more.") var clients = 2_000
    @Option(help: "Seconds under each limit.") var seconds = 5.0

    /// How soon after a relief everybody must be served.
    static let relief: Duration = .seconds(1)
    /// What a server that waits may use of its CPU.
    static let idleShare = 0.05

    func validate() throws {
        // Fewer would not fill the two smallest receive buffers.
        guard clients >= 300 else { throw ValidationError("--clients takes 300 or more, not \(clients)") }
        guard seconds > 0 else { throw ValidationError("--seconds takes more than 0, not \(seconds)") }
    }

    func run() throws {
        var failed = false
        for limit in only {
            var verdict = Verdict("limits \(limit.rawValue) \(options.driver)")
            switch limit {
            case .tableFull: try reachTableFull(&verdict)
            case .receiveBuffers: try reachReceiveBuffers(&verdict)
            case .completionQueue: try reachCompletionQueue(&verdict)
            case .sendChunks: try reachSendChunks(&verdict)
            case .descriptors: try reachDescriptors(&verdict)
            }
            do {
                try verdict.report()
            } catch {
                failed = true  // the other limits are still worth reaching
            }
        }
        if failed { throw ExitCode.failure }
    }

    /// Lets the time of a shortage pass, and sees that the server spends none of it.
    func requireRest(_ verdict: inout Verdict, of server: ServerProcess) {
        let before = server.cpuTime
        usleep(UInt32(seconds * 1e6))
        let share = (server.cpuTime - before).seconds / seconds
        verdict.require(share <= Limits.idleShare, "it spins")
        verdict.add("CPU \((share * 100).rounded(to: 2)) % meanwhile")
    }

    func requireRelief(_ verdict: inout Verdict, _ took: Duration?, _ what: String) {
        verdict.require(took != nil, "\(what) are not served within \(Limits.relief.text)")
        if let took { verdict.add("\(what) served \(took.text) after") }
    }
}
#endif

#if Command
import ArgumentParser
import IOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The server of a scenario, in a process of its own: told what to do on stdin, a line each, until that ends.
///
/// `report`, `release` (of what connections asked to hold) and `dismiss` (those that said nothing) are each answered by one line of `name=value`.
struct ServerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "server", shouldDisplay: false)

    @Option var driver: Driver = .uring
    @Option var workers = 1
    @Option var slots = 0
    @Option var receiveBuffers = 256
    @Option var receiveBufferBytes = 64 << 10
    @Option var sendChunks = 4096
    @Option var queueEntries = 4096
    @Option var unsentCap = 1 << 30
    @Option var sendCap = 64 << 20
    @Option var highWatermark = 1 << 20
    @Option var floodBytes = 4 << 20
    @Option var perAddress = 0
    @Option var asksPeer = 0
    @Option var backlog = 4096
    @Option var sendTimeout = 0
    @Option var movesOneIn = 0

    func run() throws {
        var configuration = PortConfiguration()
        configuration.driver = driver
        configuration.workers = workers
        configuration.connectionsPerWorker = slots
        configuration.receiveBuffersPerWorker = receiveBuffers
        configuration.receiveBufferBytes = receiveBufferBytes
        configuration.sendChunksPerWorker = sendChunks
        configuration.completionQueueEntries = queueEntries
        configuration.unsentBytesPerWorker = unsentCap
        configuration.sendCap = sendCap
        configuration.sendHighWatermark = highWatermark
        configuration.sendLowWatermark = highWatermark / 4
        configuration.overflowPolicy = .refuse
        configuration.connectionsPerAddress = perAddress
        configuration.listenBacklog = backlog
        if sendTimeout > 0 { configuration.sendTimeout = .seconds(sendTimeout) }

        let reports = Reports()
        let (floodBytes, asksPeer, movesOneIn) = (floodBytes, asksPeer > 0, movesOneIn)
        let server = try IOCPServer(configuration) { worker throws(IOCPError) in
            try SoakHandler(worker, reports, floodBytes: floodBytes, asksPeer: asksPeer, movesOneIn: movesOneIn)
        }
        let address = try server.listen(host: "127.0.0.1", port: 0).address!
        say("listening on \(address.port)")
        while let order = readLine() {
            switch order {
            case "report":
                try post(.report, to: server.port)
                answer(reports.take(workers))
            case "release", "dismiss":
                try post(order == "release" ? .release : .dismiss, to: server.port)
                try post(.report, to: server.port)
                answer(reports.take(workers))
            default:
                throw ValidationError("the server was told to '\(order)'")
            }
        }
        server.stop(drainingFor: .seconds(2))
        try server.wait()
        answer(reports.take(workers))
    }

    private func post(_ order: SoakHandler.Order, to port: CompletionPort) throws(IOCPError) {
        for worker in 0..<workers { try port.post(order.rawValue, toWorker: worker) }
    }

    private func answer(_ reports: [ServerReport]) {
        say(ServerReport.sum(reports).map { "\($0.name)=\($0.value)" }.joined(separator: " "))
    }
}
#endif

#if Command
import IOCP

/// What a load is to do, settled before its first connection.
struct LoadPlan: Sendable {
    let target: Endpoint
    /// What secures each connection; nil: they are in the clear.
    let security: ConnectionSecurity?
    let connections: Int
    /// How many of the connections are kept busy; the first ones of every worker.
    let active: Int
    let messageBytes: Int
    let mode: LoadMode
    let workers: Int
    private let placement: WorkerPlacement
    /// The server's process, if its CPU time is to be told.
    var serverProcess: Int32?
    /// Connections that a worker can hold without being asked to.
    private let usualPlaces: Int
    /// Local addresses to connect from, in turn; none leaves the choice to the kernel.
    private let sources: [Endpoint]

    /// Of any worker.
    private static let placesMax = 1_048_576
    /// Of the about 28,000 ports of one pair of addresses. Linux tries those of one parity first; once they are taken,
    /// every connect searches all of them in vain, which was measured at 1 ms and more.
    private static let connectionsPerSource = 12_500
    /// Connects, and first messages, that may be outstanding on a worker.
    private static let connectWindowMax = 256
    private static let connectWindowBytesMax = 64 << 20
    private static let sendChunkBytes = 16 << 10
    /// Of an open loop, whose outstanding messages only the server's stalls bound.
    private static let backlogBytes = 1 << 30
    /// Cycles of a churn leave a port in TIME_WAIT for 60 s each; together these have 900,000.
    private static let churnSources = 32

    /// - Throws: `IOCPError` when no port opens.
    init(
        target: Endpoint, security: ConnectionSecurity? = nil, connections: Int, active: Int, messageBytes: Int,
        mode: LoadMode, workers: Int,
        placement: WorkerPlacement = .unbound
    ) throws {
        (self.target, self.connections, self.active, self.placement) = (target, connections, active, placement)
        (self.messageBytes, self.mode, self.security) = (messageBytes, mode, security)
        self.workers = min(workers, connections)
        usualPlaces = try LoadPlan.usualPlaces()
        sources = try LoadPlan.sources(target: target, connections: connections, mode: mode)
    }

    /// How many of `total` fall to a worker, as evenly as it goes.
    private func share(of total: Int, worker: Int) -> Int {
        total / workers + (worker < total % workers ? 1 : 0)
    }

    /// With the publisher of a fan-out.
    var connectionsOfAll: Int {
        if case .fanOut = mode { connections + 1 } else { connections }
    }

    func connections(ofWorker worker: Int) -> Int { share(of: connections, worker: worker) }

    func active(ofWorker worker: Int) -> Int { share(of: active, worker: worker) }

    /// The number of a worker's connection among all.
    func number(of connection: Int, onWorker worker: Int) -> Int { connection * workers + worker }

    /// The messages of each of a worker's connections.
    func streams(_ pattern: LoadPattern, ofWorker worker: Int) -> [LoadStream] {
        (0..<connections(ofWorker: worker)).map { index in
            LoadStream(firstPhase: pattern.firstPhase(ofConnection: number(of: index, onWorker: worker)))
        }
    }

    func source(ofConnection number: Int) -> Endpoint? {
        sources.isEmpty ? nil : sources[number % sources.count]
    }

    /// How many connections of a worker may be on their way, from the connect to the first echo.
    var connectWindow: Int {
        max(1, min(LoadPlan.connectWindowMax, LoadPlan.connectWindowBytesMax / messageBytes))
    }

    /// A port on which nothing the plan asks for runs out of memory or queue.
    var portConfiguration: PortConfiguration {
        let busiest = active(ofWorker: 0)
        let chunksPerMessage = messageBytes / LoadPlan.sendChunkBytes + 1
        var chunks = max(busiest * depth, connectWindow) * chunksPerMessage
        var unsentBytes = depth * messageBytes
        var unsentBytesOfAll = busiest * unsentBytes
        if case .rate = mode {
            chunks = max(chunks, busiest + LoadPlan.backlogBytes / LoadPlan.sendChunkBytes)
            unsentBytes = LoadPlan.backlogBytes
            unsentBytesOfAll = LoadPlan.backlogBytes
        }
        var configuration = PortConfiguration()
        configuration.workers = workers
        // Some of the places are for connections that are on their way out. Those of one ring are usual; with more it has several.
        let places = min(connections(ofWorker: 0) + connections(ofWorker: 0) / 20, LoadPlan.placesMax)
        if places > usualPlaces { configuration.connectionsPerWorker = places }
        // By default not: a server's workers may be bound to these CPUs, in the same order; the scheduler finds idle ones.
        configuration.workerPlacement = placement
        configuration.sendChunksPerWorker = min(max(4_096, chunks), 1 << 20)
        configuration.completionQueueEntries = min(max(4_096, (busiest * 2).nextPowerOfTwo), 64 << 10)
        // Twice what can be unsent, and so never reached: a load always reads. Held back by its own unsent bytes, it and
        // a server that is held back by its own would wait for each other.
        configuration.sendCap = min(max(configuration.sendCap, 2 * unsentBytes), Int(Int32.max))
        configuration.sendHighWatermark = configuration.sendCap
        configuration.unsentBytesPerWorker = max(unsentBytesOfAll, configuration.sendCap, 1 << 30)
        return configuration
    }

    /// Messages that a busy connection sends without waiting for an answer.
    private var depth: Int {
        switch mode {
        case .echo(let depth), .fanOut(let depth): depth
        case .rate, .churn: 1
        }
    }

    private static func usualPlaces() throws(IOCPError) -> Int {
        var configuration = PortConfiguration()
        configuration.workers = 1
        return try CompletionPort(configuration).connectionsPerWorker
    }

    /// Every address of 127.0.0.0/8 is this machine's, so a local server can be reached from many.
    private static func sources(target: Endpoint, connections: Int, mode: LoadMode) throws(IOCPError) -> [Endpoint] {
        guard case .tcp(let address) = target else { return [] }
        let needed = (connections + connectionsPerSource - 1) / connectionsPerSource
        let count = mode == .churn ? max(churnSources, needed) : needed
        guard count > 1, !address.isIPv6, address.addressBytes[0] == 127 else { return [] }
        var sources: [Endpoint] = []
        for last in 1...count {
            sources.append(.tcp(try SocketAddress(host: "127.0.0.\(last)", port: 0)))
        }
        return sources
    }
}

extension Int {
    fileprivate var nextPowerOfTwo: Int { self <= 1 ? 1 : 1 << (Int.bitWidth - (self - 1).leadingZeroBitCount) }
}
#endif

#if Command
import IOCP

/// What is to be held, and what is done with it, settled before the first connection.
struct HoldPlan: Sendable {
    let target: Endpoint
    /// Where the frame of the broadcast is published; nil: there is no broadcast.
    let publishTarget: Endpoint?
    let connections: Int
    /// Connections with a heartbeat: the first ones of the first workers, so that few threads of the load are busy with them.
    let active: Int
    /// Heartbeats a second, over all of these.
    let rate: Int
    /// Connections that are dropped and come back: the last ones of the last workers.
    let reconnects: Int
    let messageBytes: Int
    let workers: Int
    let sources: HoldSources?
    var serverProcess: Int32?

    /// Connects, or ends, that are under way on a worker.
    let window = 256
    /// The same of connections that come back: enough to keep a server busy, and no queue that the heartbeat would stand in.
    let returnWindow: Int
    /// One for the heartbeat, and one for those that come back. A worker has as many rings as it needs.
    private static let workersMin = 2
    private static let connectionsPerWorkerMax = 1_000_000

    init(
        target: Endpoint, publishTarget: Endpoint?, connections: Int, active: Int, rate: Int, reconnects: Int,
        messageBytes: Int, returnWindow: Int, choosesPorts: Bool
    ) {
        self.returnWindow = returnWindow
        (self.target, self.publishTarget, self.connections) = (target, publishTarget, connections)
        (self.active, self.rate, self.reconnects, self.messageBytes) = (active, rate, reconnects, messageBytes)
        let needed = (connections + HoldPlan.connectionsPerWorkerMax - 1) / HoldPlan.connectionsPerWorkerMax
        workers = min(connections, max(HoldPlan.workersMin, needed))
        sources = HoldSources(to: target, choosesPorts: choosesPorts)
    }

    func connections(ofWorker worker: Int) -> Int { connections / workers + (worker < connections % workers ? 1 : 0) }

    /// Connections of the workers before.
    private func first(ofWorker worker: Int) -> Int {
        worker * (connections / workers) + min(worker, connections % workers)
    }

    func active(ofWorker worker: Int) -> Int {
        min(connections(ofWorker: worker), max(0, active - first(ofWorker: worker)))
    }

    func rate(ofWorker worker: Int) -> Int { max(1, rate * active(ofWorker: worker) / max(1, active)) }

    var activeWorkers: Int { (0..<workers).count { active(ofWorker: $0) > 0 } }

    /// The lanes of a worker that are dropped: its last ones.
    func dropped(ofWorker worker: Int) -> Range<Int> {
        let count = connections(ofWorker: worker)
        let firstDropped = connections - reconnects - first(ofWorker: worker)
        return min(count, max(0, firstDropped))..<count
    }

    /// The number of a worker's connection among all.
    func number(of lane: Int, onWorker worker: Int) -> Int { first(ofWorker: worker) + lane }

    var portConfiguration: PortConfiguration {
        var configuration = PortConfiguration()
        configuration.workers = workers
        configuration.workerPlacement = .unbound
        // The publisher, and those that come back while others are still on their way out.
        configuration.connectionsPerWorker = connections(ofWorker: 0) + 1 + window
        configuration.receiveBufferBytes = 16 << 10
        configuration.overflowPolicy = .refuse
        // Were the load asleep between two frames of a broadcast, the server would wake it for each.
        configuration.spinBeforeSleep = .microseconds(50)
        return configuration
    }
}

/// Where the connections come from: addresses of 127.0.0.0/8 that no other program uses, and ports that are chosen here.
///
/// The kernel looks for a free port by trying one after the other, which takes the longer the more are in use. A port that is
/// named takes one look, however many there are.
struct HoldSources: Sendable {
    private let network: UInt8
    private let firstHost: Int
    private let choosesPorts: Bool

    /// Below the 32,768 from which on the kernel chooses ports for others: where all of those are in use by somebody, each of its
    /// searches looks at all.
    private static let firstPort = 10_000
    private static let portsEach = 22_000
    /// Of the ports that the kernel chooses: see `LoadPlan`.
    private static let connectionsEach = 12_500

    /// Returns nil for a server elsewhere: the kernel chooses then.
    init?(to target: Endpoint, choosesPorts: Bool) {
        guard case .tcp(let address) = target, !address.isIPv6, address.addressBytes[0] == 127 else { return nil }
        // Other addresses than those of the last runs, whose ports may be in TIME_WAIT still, and of runs beside this one. The
        // last of 10,000,000 connections and as many again that come back has the 1,600th address.
        network = UInt8.random(in: 1...250)
        firstHost = Int.random(in: 1...60_000)
        self.choosesPorts = choosesPorts
    }

    /// The source of the connect with this number; none has one twice.
    func source(_ number: Int) -> Endpoint? {
        let each = choosesPorts ? HoldSources.portsEach : HoldSources.connectionsEach
        let host = firstHost + number / each
        let port = choosesPorts ? HoldSources.firstPort + number % each : 0
        let bytes: [UInt8] = [127, network, UInt8(truncatingIfNeeded: host >> 8), UInt8(truncatingIfNeeded: host)]
        return SocketAddress(bytes: bytes, port: UInt16(port)).map(Endpoint.tcp)
    }
}
#endif

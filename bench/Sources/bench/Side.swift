import Glibc

/// A server and its load, both up. The load rests until its turn comes.
final class Side {
    let holding: Holding
    private let server: ServerProcess
    private let load: LoadProcess
    private let cpus: Set<Int>

    /// Over all turns, of the CPUs of server and load: time there was, and what was idle or went to these two.
    private var capacity: Duration = .zero
    private var accounted: Duration = .zero

    /// So that what a server touches under load only is touched: buffers, tables, the stacks of its threads.
    private static let warmingUp: Duration = .milliseconds(500)
    /// The part of a slice in which caches get warm, and batches as large as they will be.
    private static let settlingShare = 0.2

    /// Returns once every connection is up and was busy for a while.
    /// - Throws: `Failure` when either process fails.
    init(
        _ entry: Schedule.Entry, placement: Placement,
        loadCommand: (_ server: pid_t, _ address: ServerAddress) -> [String]
    ) throws {
        cpus = placement.cpus
        server = try ServerProcess(command: ServerAddress.fresh(entry.serverCommand), cpu: placement.server)
        let pid = server.child.pid
        let residentBefore = try ProcessSample.residentBytes(of: pid)
        let kernelBefore = try ProcessSample.kernelBytes()
        load = try LoadProcess(command: loadCommand(pid, server.address), cpu: placement.load, server: server)
        let report = try load.turn(settling: Self.warmingUp, measured: .zero)
        let established = Double(max(1, report.established))
        let accepted = max(1, established - Double(try ProcessSample.connectionsInBacklog(of: server.address)))
        holding = Holding(
            connectionsEstablished: established, connectionsAccepted: accepted,
            userBytesPerConnection: Double(try ProcessSample.residentBytes(of: pid) - residentBefore) / accepted,
            kernelBytesPerConnection: Double(try ProcessSample.kernelBytes() - kernelBefore) / established,
            openDescriptors: Double(try ProcessSample.openDescriptors(of: pid)),
            threads: Double(try ProcessSample.threads(of: pid)))
    }

    /// Takes a turn of that length.
    func slice(of length: Duration) throws -> Slice {
        let before = try moment()
        let settling = length * Self.settlingShare
        let turn = try load.turn(settling: settling, measured: length - settling)
        let after = try moment()
        capacity += (after.time - before.time) * cpus.count
        accounted += after.accounted - before.accounted
        return try Slice(turn)
    }

    /// The share of the CPUs of server and load that, during its turns, neither took and that was not idle.
    var otherWorkBusy: Double {
        capacity > .zero ? max(0, 1 - accounted / capacity) : 0
    }

    /// Ends both.
    /// - Returns: the figures of all slices together.
    func end() throws -> StressReport {
        let report = try load.end()
        try server.stop()
        return report
    }

    private func moment() throws -> (time: ContinuousClock.Instant, accounted: Duration) {
        guard let serverCPU = ProcessSample.cpuTime(of: server.child.pid) else { throw server.unexpectedEnd() }
        guard let loadCPU = ProcessSample.cpuTime(of: load.pid) else {
            throw Failure("the load ended between two turns")
        }
        return (.now, try ProcessSample.idleTime(of: cpus) + serverCPU + loadCPU)
    }
}

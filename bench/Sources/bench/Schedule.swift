import Glibc

/// Runs every contender of every workload, round after round, and collects what came of it.
struct Schedule {
    let workloads: [Workload]
    let rounds: Int
    let seconds: Int
    let timeLimit: Duration
    let placement: Placement
    let limits: Limits
    let iocp: String
    let baselines: String

    /// What became of one contender in one workload.
    struct Entry {
        let workload: Workload
        let contender: Contender
        let connectionsAsked: Int
        let serverCommand: [String]
        let loadCommand: [String]
        var measurements: [Measurement] = []
        var failures: [Failure] = []
        var skipped = 0
    }

    /// Rounds are the outer loop: a change of the machine's mood then touches every contender
    /// alike, and a bench that runs into its time limit has at least its first rounds whole.
    func run(progress: Progress) throws -> [Entry] {
        var entries = workloads.flatMap { workload in
            workload.contenders.map { entry(of: workload, contender: .named($0)) }
        }
        let deadline = ContinuousClock.now + timeLimit
        progress.begin(steps: entries.count * rounds)
        for round in 1...rounds {
            for index in entries.indices {
                let entry = entries[index]
                progress.step(
                    "round \(round)/\(rounds)  \(entry.workload.name)  "
                        + entry.contender.name)
                guard ContinuousClock.now < deadline else {
                    entries[index].skipped += 1
                    progress.skipped("the time limit of \(timeLimit) is reached")
                    continue
                }
                do {
                    let measurement = try measure(entry)
                    entries[index].measurements.append(measurement)
                    progress.measured(measurement)
                } catch let failure as Failure {
                    entries[index].failures.append(failure)
                    progress.failed(failure)
                }
            }
        }
        return entries
    }

    private func entry(of workload: Workload, contender: Contender) -> Entry {
        let asked = min(workload.connections, contender.connectionsMax(within: limits))
        let launch = Contender.Launch(
            iocp: iocp, baselines: baselines, connections: asked, limits: limits)
        return Entry(
            workload: workload, contender: contender, connectionsAsked: asked,
            serverCommand: contender.command(launch),
            loadCommand: loadCommand(workload, connections: asked, port: "PORT"))
    }

    private func loadCommand(_ workload: Workload, connections: Int, port: String) -> [String] {
        LoadGenerator(program: iocp).command(
            for: workload, connections: connections, host: Contender.host, port: port,
            seconds: seconds)
    }

    private func measure(_ entry: Entry) throws -> Measurement {
        let socketsBefore = try ProcessSample.tcpSocketsInUse()
        defer { settle(to: socketsBefore) }

        let server = try ServerProcess(command: entry.serverCommand, cpu: placement.server)
        let residentBefore = try ProcessSample.residentBytes(of: server.child.pid)
        let kernelBefore = try ProcessSample.kernelBytes()
        let run = try LoadRun.perform(
            command: loadCommand(
                entry.workload, connections: entry.connectionsAsked, port: "\(server.port)"),
            placement: placement, server: server, seconds: seconds)
        try server.stop()
        return Measurement(
            run: run, cpus: placement.cpus.count, residentBytesBefore: residentBefore,
            kernelBytesBefore: kernelBefore)
    }

    /// Waits until the last run is gone from the kernel: a ring is taken down after its process has
    /// ended, and socket memory is given back later still. Both would fall into the next measurement.
    private func settle(to socketsBefore: Int) {
        let deadline = ContinuousClock.now + .seconds(3)
        var bytes = Int.max
        while ContinuousClock.now < deadline {
            usleep(25_000)
            guard let sockets = try? ProcessSample.tcpSocketsInUse(),
                let bytesNow = try? ProcessSample.kernelBytes()
            else { return }
            let stillFalling = bytesNow < bytes - Self.settledBytes
            if sockets <= socketsBefore + Self.settledSockets && !stillFalling { return }
            bytes = bytesNow
        }
    }

    /// Below these, what the kernel still gives back is lost in the noise.
    private static let settledSockets = 50
    private static let settledBytes = 256 * 1024
}

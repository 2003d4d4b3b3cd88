import Foundation

/// Runs every contender of every workload, round after round, and collects what came of it.
struct Schedule {
    let workloads: [Workload]
    let rounds: Int
    let seconds: Int
    let timeLimit: Duration
    let placement: Placement
    let limits: Limits
    let programs: Contender.Programs

    /// Names of the contenders that take part; `nil` is all of a workload's.
    let contenders: [String]?

    /// What became of one contender in one workload.
    struct Entry {
        let workload: Workload
        let contender: Contender
        let connectionsAsked: Int
        let serverCommand: [String]
        /// Whether there is an executable to start.
        let isBuilt: Bool
        /// Of an open loop: messages a second, once the peak is known.
        var rate: Int?
        var loadCommand: [String]
        /// By round.
        var measurements: [Int: Measurement] = [:]
        var failures: [Failure] = []
        var skipped = 0
        /// Of a contender that counts.
        var counts: Counts?
        /// Why there are none.
        var countsFailure: Failure?

        var medians: Measurement? {
            measurements.isEmpty ? nil : Measurement(mediansOf: Array(measurements.values))
        }
    }

    /// The closed-loop peak of the reference contender: what rates are shares of.
    struct Peak {
        let measurement: Result<Measurement, Failure>
    }

    /// Rounds are the outer loop: a change of the machine's mood then touches every contender
    /// alike, and a bench that runs into its time limit has at least its first rounds whole.
    func run(progress: Progress) throws -> (entries: [Entry], peaks: [String: Peak]) {
        var entries = entries()
        let built = entries.indices.filter { entries[$0].isBuilt }
        let deadline = ContinuousClock.now + timeLimit
        let counted = built.filter { entries[$0].contender.countedEntries != nil }
        let peaksWanted = Set(workloads.filter(\.isRate).map(\.closedLoop.name)).count
        progress.begin(steps: peaksWanted + built.count * rounds + counted.count)
        let peaks = try findPeaks(progress: progress)
        for index in entries.indices { setRate(&entries[index], peaks) }

        // First, so that a bench that runs out of time has them.
        for index in counted {
            progress.step("counting  \(entries[index].workload.name)  \(entries[index].contender.name)")
            guard ContinuousClock.now < deadline else {
                progress.skipped("the time limit of \(timeLimit) is reached")
                continue
            }
            do {
                let counts = try count(entries[index])
                entries[index].counts = counts
                progress.note(counts.words(entries[index].contender, per: entries[index].workload.kind.noun))
            } catch let failure as Failure {
                entries[index].countsFailure = failure
                progress.failed(failure)
            }
        }
        for round in 1...rounds {
            for index in built {
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
                    if entry.workload.isRate, entry.rate == nil {
                        throw Failure("\(Contender.reference) has no peak to take a share of")
                    }
                    let measurement = try measure(entry)
                    entries[index].measurements[round] = measurement
                    progress.measured(measurement, entry.workload.kind)
                } catch let failure as Failure {
                    entries[index].failures.append(failure)
                    progress.failed(failure)
                }
            }
        }
        return (entries, peaks)
    }

    /// Each contender of each workload, before anything was run.
    func entries() -> [Entry] {
        workloads.flatMap { workload in
            workload.contenders.filter { contenders?.contains($0) ?? true }
                .map { entry(of: workload, contender: .named($0)) }
        }
    }

    private func entry(of workload: Workload, contender: Contender) -> Entry {
        let asked = min(workload.connections, contender.connectionsMax(within: limits))
        let launch = Contender.Launch(
            programs: programs, transport: workload.transport, connections: asked, limits: limits)
        let command = contender.command(launch) + workload.serverOptions
        return Entry(
            workload: workload, contender: contender, connectionsAsked: asked, serverCommand: command,
            isBuilt: FileManager.default.isExecutableFile(atPath: command[0]),
            loadCommand: loadCommand(workload, connections: asked, rate: nil, at: nil))
    }

    /// - Parameter seconds: `nil` for a timed run's.
    private func loadCommand(
        _ workload: Workload, connections: Int, rate: Int?, at address: ServerAddress?, seconds: Int? = nil
    ) -> [String] {
        LoadGenerator(program: programs.iocp).command(
            for: workload, connections: connections, rate: rate, at: address,
            seconds: seconds ?? self.seconds)
    }

    // MARK: Rates

    private func findPeaks(progress: Progress) throws -> [String: Peak] {
        var peaks: [String: Peak] = [:]
        for loop in workloads.filter(\.isRate).map(\.closedLoop) where peaks[loop.name] == nil {
            progress.step("peak of \(Contender.reference)  \(loop.name)")
            do {
                let measurement = try measure(entry(of: loop, contender: .named(Contender.reference)))
                peaks[loop.name] = Peak(measurement: .success(measurement))
                progress.measured(measurement, loop.kind)
            } catch let failure as Failure {
                peaks[loop.name] = Peak(measurement: .failure(failure))
                progress.failed(failure)
            }
        }
        return peaks
    }

    private func setRate(_ entry: inout Entry, _ peaks: [String: Peak]) {
        guard case .rate(let share) = entry.workload.kind,
            case .success(let peak)? = peaks[entry.workload.closedLoop.name]?.measurement
        else { return }
        let rate = max(1, Int(peak.messagesPerSecond * share))
        entry.rate = rate
        entry.loadCommand = loadCommand(
            entry.workload, connections: entry.connectionsAsked, rate: rate, at: nil)
    }

    // MARK: One run

    private func measure(_ entry: Entry) throws -> Measurement {
        let socketsBefore = try ProcessSample.socketsInUse()
        defer { settle(to: socketsBefore) }

        let server = try ServerProcess(command: ServerAddress.fresh(entry.serverCommand), cpu: placement.server)
        let residentBefore = try ProcessSample.residentBytes(of: server.child.pid)
        let kernelBefore = try ProcessSample.kernelBytes()
        let run = try LoadRun.perform(
            command: loadCommand(
                entry.workload, connections: entry.connectionsAsked, rate: entry.rate,
                at: server.address),
            placement: placement, server: server, seconds: seconds)
        try server.stop()
        return Measurement(
            run: run, cpus: placement.cpus.count, residentBytesBefore: residentBefore,
            kernelBytesBefore: kernelBefore)
    }

    private func count(_ entry: Entry) throws -> Counts {
        let socketsBefore = try ProcessSample.socketsInUse()
        defer { settle(to: socketsBefore) }
        return try CountingRun(
            iocp: programs.iocp, placement: placement, workload: entry.workload,
            serverCommand: ServerAddress.fresh(entry.serverCommand),
            loadCommand: { address in
                loadCommand(
                    entry.workload, connections: entry.connectionsAsked, rate: entry.rate, at: address,
                    seconds: min(seconds, Self.countedSecondsMax))
            },
            seconds: min(seconds, Self.countedSecondsMax)
        ).perform()
    }

    /// Waits until the last run is gone from the kernel: a ring is taken down after its process has
    /// ended, and socket memory is given back later still. Both would fall into the next measurement.
    private func settle(to socketsBefore: Int) {
        let deadline = ContinuousClock.now + .seconds(3)
        var bytes = Int.max
        while ContinuousClock.now < deadline {
            usleep(25_000)
            guard let sockets = try? ProcessSample.socketsInUse(),
                let bytesNow = try? ProcessSample.kernelBytes()
            else { return }
            let stillFalling = bytesNow < bytes - Self.settledBytes
            if sockets <= socketsBefore + Self.settledSockets && !stillFalling { return }
            bytes = bytesNow
        }
    }

    /// A count needs no more to be steady.
    private static let countedSecondsMax = 2
    /// Below these, what the kernel still gives back is lost in the noise.
    private static let settledSockets = 50
    private static let settledBytes = 256 * 1024
}

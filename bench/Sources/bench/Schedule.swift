import Foundation

/// Runs every workload, one contest after another, and collects what came of it.
struct Schedule {
    let workloads: [Workload]
    /// Pairs of slices of iocp and each other server.
    let slices: Int
    let slice: Duration
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
        var holding: Holding?
        var slices: [Slice] = []
        /// With iocp, of every other contender.
        var pairs: [Slice.Pair] = []
        /// Of all slices together.
        var total: StressReport?
        var otherWorkBusy = 0.0
        var failure: Failure?
        /// Rounds that there was no time for.
        var roundsSkipped = 0
        /// Of a contender that counts.
        var counts: Counts?
        /// Why there are none.
        var countsFailure: Failure?
    }

    /// The closed-loop peak of the reference contender: what rates are shares of.
    typealias Peak = Result<Figures, Failure>

    struct Figures {
        var messagesPerSecond: Double
        var loadCoreBusy: Double
    }

    func run(progress: Progress) throws -> (entries: [Entry], peaks: [String: Peak]) {
        let deadline = ContinuousClock.now + timeLimit
        var left = entries()
        let loops = Set(workloads.filter(\.isRate).map(\.closedLoop.name))
        progress.begin(
            steps: 2 * loops.count + left.count { $0.isBuilt } + left.count { $0.isCounted } + workloads.count)
        let peaks = try findPeaks(deadline: deadline, progress: progress)
        for index in left.indices { setRate(&left[index], peaks) }

        var done: [Entry] = []
        for workload in workloads {
            let entries = left.filter { $0.workload.name == workload.name }
            // A workload may take its share of the time that is left, by the number of its servers.
            let share = (deadline - .now) * entries.count / max(1, left.count)
            left.removeAll { $0.workload.name == workload.name }
            done += try contest(entries, of: workload, deadline: .now + share, progress: progress)
        }
        return (done, peaks)
    }

    private func contest(
        _ entries: [Entry], of workload: Workload, deadline: ContinuousClock.Instant, progress: Progress
    ) throws -> [Entry] {
        var entries = entries
        for index in entries.indices where entries[index].isCounted { try count(&entries[index], deadline, progress) }

        let socketsBefore = try ProcessSample.socketsInUse()
        defer { settle(to: socketsBefore) }
        var contest = Contest(entries, of: workload, slices: slices, slice: slice, deadline: deadline)
        try contest.begin(progress: progress) { entry in
            if workload.isRate, entry.rate == nil {
                throw Failure("\(Contender.reference) has no peak to take a share of")
            }
            return try Side(entry, placement: placement) { server, address in
                LoadGenerator(program: programs.iocp).command(
                    for: workload, connections: entry.connectionsAsked, rate: entry.rate, at: address,
                    .byTurns(server: server))
            }
        }
        progress.step("taking turns  \(workload.name)")
        try contest.run()
        try contest.end()
        progress.measured(contest.entries)
        return contest.entries
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
            loadCommand: reportedLoad(workload, connections: asked, rate: nil))
    }

    private func reportedLoad(_ workload: Workload, connections: Int, rate: Int?) -> [String] {
        LoadGenerator(program: programs.iocp).command(
            for: workload, connections: connections, rate: rate, at: nil, .byTurns(server: nil))
    }

    // MARK: Rates

    private func findPeaks(deadline: ContinuousClock.Instant, progress: Progress) throws -> [String: Peak] {
        var peaks: [String: Peak] = [:]
        for loop in workloads.filter(\.isRate).map(\.closedLoop) where peaks[loop.name] == nil {
            var reference = entry(of: loop, contender: .named(Contender.reference))
            reference = try contest([reference], of: loop, deadline: deadline, progress: progress)[0]
            if let rate = Spread(of: reference.slices.map(\.messagesPerSecond)),
                let busy = Spread(of: reference.slices.map(\.loadCoreBusy))
            {
                peaks[loop.name] = .success(Figures(messagesPerSecond: rate.median, loadCoreBusy: busy.median))
            } else {
                peaks[loop.name] = .failure(reference.failure ?? Failure("out of time"))
            }
        }
        return peaks
    }

    private func setRate(_ entry: inout Entry, _ peaks: [String: Peak]) {
        guard case .rate(let share) = entry.workload.kind,
            case .success(let peak)? = peaks[entry.workload.closedLoop.name]
        else { return }
        let rate = max(1, Int(peak.messagesPerSecond * share))
        entry.rate = rate
        entry.loadCommand = reportedLoad(entry.workload, connections: entry.connectionsAsked, rate: rate)
    }

    // MARK: Counting

    /// In a run of its own, before the slices: a bench that runs out of time has the counts.
    private func count(_ entry: inout Entry, _ deadline: ContinuousClock.Instant, _ progress: Progress) throws {
        progress.step("counting  \(entry.workload.name)  \(entry.contender.name)")
        guard ContinuousClock.now < deadline else {
            progress.skipped("out of time")
            return
        }
        let socketsBefore = try ProcessSample.socketsInUse()
        defer { settle(to: socketsBefore) }
        do {
            let (workload, connections, rate) = (entry.workload, entry.connectionsAsked, entry.rate)
            let counts = try CountingRun(
                iocp: programs.iocp, placement: placement, workload: workload,
                serverCommand: ServerAddress.fresh(entry.serverCommand),
                loadCommand: { address in
                    LoadGenerator(program: programs.iocp).command(
                        for: workload, connections: connections, rate: rate, at: address,
                        .once(seconds: Self.countedSeconds))
                },
                seconds: Self.countedSeconds
            ).perform()
            entry.counts = counts
            progress.note(counts.words(entry.contender, per: workload.kind.noun))
        } catch let failure as Failure {
            entry.countsFailure = failure
            progress.failed(failure)
        }
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
    private static let countedSeconds = 2
    /// Below these, what the kernel still gives back is lost in the noise.
    private static let settledSockets = 50
    private static let settledBytes = 256 * 1024
}

extension Schedule.Entry {
    /// Whether its kernel entries and allocations are counted.
    var isCounted: Bool { isBuilt && contender.countedEntries != nil }
}

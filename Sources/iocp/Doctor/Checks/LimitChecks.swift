#if Command
/// Open files, locked memory and threads.
enum LimitChecks {
    static func all(_ facts: MachineFacts) -> [DoctorCheck] {
        let workers = facts.processors.defaultWorkers ?? 1
        return [
            CheckGroup.limits.check("open files", facts.process.openFiles) { openFiles($0, facts.isRingOpen) },
            CheckGroup.limits.check("locked memory", facts.process.lockedBytes) { limit in
                lockedMemory(limit, facts, workers)
            },
            threads(facts, workers),
        ]
    }

    // MARK: Open files

    /// Fewer connections than this are no reason for a completion port.
    private static let leastFiles = 10_000
    static let wantedFiles = 1_048_576

    private static func openFiles(_ limit: ResourceLimit, _ isRingOpen: Bool) -> Judgement {
        let found = "\(text(limit.soft)) (RLIMIT_NOFILE); hard limit \(text(limit.hard))"
        guard limit.soft < leastFiles else { return .ok(found) }
        let count = Figure.count(UInt64(limit.soft))
        return .warning(
            found,
            isRingOpen
                ? "Each worker's ring holds at most \(count) connections."
                : "On epoll all connections and files of a process together are at most \(count).",
            mend: openFilesRemedy(limit, atLeast: leastFiles))
    }

    /// Within the hard limit a shell raises its own; beyond it takes CAP_SYS_RESOURCE.
    static func openFilesRemedy(_ limit: ResourceLimit?, atLeast count: Int) -> [String] {
        guard let limit, limit.hard >= count else {
            return ["prlimit --pid $$ --nofile=\(max(count, wantedFiles)):\(max(count, wantedFiles))"]
        }
        return ["ulimit -n \(min(limit.hard, max(count, wantedFiles)))"]
    }

    private static func text(_ value: Int) -> String {
        value >= ResourceLimit.unlimited ? "no limit" : Figure.count(UInt64(value))
    }

    // MARK: Locked memory

    /// What a worker of default sizes locks. Measured; see docs/KERNELS.md.
    static let lockedBytesPerWorker = 140 << 10
    static let memlockRemedy = ["prlimit --pid $$ --memlock=unlimited:unlimited"]

    /// Workers whose rings the limit carries; nil where it does not bound them.
    static func workersLocked(_ facts: MachineFacts) -> Int? {
        guard facts.process.has(.lockMemory) == false, let limit = facts.process.lockedBytes.value,
            limit.soft < ResourceLimit.unlimited
        else { return nil }
        return limit.soft / lockedBytesPerWorker
    }

    private static func lockedMemory(_ limit: ResourceLimit, _ facts: MachineFacts, _ workers: Int) -> Judgement {
        guard limit.soft < ResourceLimit.unlimited else { return .ok("no limit (RLIMIT_MEMLOCK)") }
        let size = "\(Figure.bytes(UInt64(limit.soft))) (RLIMIT_MEMLOCK)"
        if facts.process.has(.lockMemory) == true { return .ok("\(size), not charged to CAP_IPC_LOCK") }
        let carried = limit.soft / lockedBytesPerWorker
        let found = "\(size) for all rings of this user: \(Figure.counted(carried, "worker"))"
        guard carried < workers else { return .ok(found) }
        let needed = workers * lockedBytesPerWorker
        return .warning(
            found,
            "\(Figure.counted(workers, "worker")) lock about \(Figure.bytes(UInt64(needed))), so auto chooses epoll.",
            mend: limit.hard >= needed ? ["ulimit -l \(needed >> 10)"] : memlockRemedy)
    }

    // MARK: Threads

    /// Workers, the threads of Swift's own pool, the main thread and one for signals.
    static func threadsNeeded(_ facts: MachineFacts, _ workers: Int) -> Int {
        workers + (facts.processors.allowed.value?.count ?? 1) + 2
    }

    private static func threads(_ facts: MachineFacts, _ workers: Int) -> DoctorCheck {
        guard let bound = leastThreads(facts.threads) else {
            return CheckGroup.limits.check("threads", facts.threads.machine) { .ok(text($0)) }
        }
        let found = "\(text(bound.count)) more (\(bound.name))"
        let needed = threadsNeeded(facts, workers)
        guard bound.count < needed else { return CheckGroup.limits.check("threads", .ok(found)) }
        return CheckGroup.limits.check(
            "threads",
            .bad(
                found, "A server of \(Figure.counted(workers, "worker")) starts \(needed) threads, and cannot here.",
                mend: bound.remedy))
    }

    struct ThreadBound {
        let count: Int
        let name: String
        let remedy: String
    }

    /// The bound that is reached first. How many threads the user has already is not counted.
    static func leastThreads(_ facts: ThreadFacts) -> ThreadBound? {
        var bounds: [ThreadBound] = []
        if !facts.isExempt, let limit = facts.perUser.value, limit.soft < ResourceLimit.unlimited {
            bounds.append(
                ThreadBound(
                    count: limit.soft, name: "RLIMIT_NPROC",
                    remedy: limit.hard > limit.soft ? "ulimit -u \(limit.hard)" : "prlimit --pid $$ --nproc=unlimited"))
        }
        if let group = facts.group.value ?? nil {
            bounds.append(
                ThreadBound(
                    count: max(0, group.limit - (group.used ?? 0)), name: "pids.max of the control group",
                    remedy: "systemctl set-property UNIT TasksMax=infinity"))
        }
        if let machine = facts.machine.value {
            bounds.append(
                ThreadBound(
                    count: machine, name: "kernel.threads-max", remedy: "sysctl -w kernel.threads-max=100000"))
        }
        return bounds.min { $0.count < $1.count }
    }
}
#endif

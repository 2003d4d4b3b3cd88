#if Command
/// What bounds the number of threads.
struct ThreadFacts {
    let perUser: Reading<ResourceLimit>
    /// The kernel does not hold RLIMIT_NPROC against root, nor against who may override limits.
    let isExempt: Bool
    let group: Reading<(limit: Int, used: Int?)?>
    let machine: Reading<Int>

    init(_ files: SystemFiles, _ process: ProcessFacts, _ groups: ControlGroups) {
        perUser = process.processes
        isExempt = process.userID.value == 0 || process.has(.overrideLimits) == true || process.has(.administer) == true
        group = groups.least(
            "pids", version2: "pids.max", version1: "pids.max", used: ("pids.current", "pids.current"))
        machine = files.number("/proc/sys/kernel/threads-max")
    }
}
#endif

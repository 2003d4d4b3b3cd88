#if Command
import IOCP

/// What workers spent their time on, as shares of it: 0 to 1.
///
/// The page tells the application's turns, the library's own time, which is an estimate, and the CPU time. The rest of the CPU
/// time was the kernel's, or a spin's.
struct StatsTime {
    let application, library, kernel: Double

    /// Of one worker since it opened.
    private struct Sums {
        var application: UInt64 = 0, library: UInt64 = 0, cpu: UInt64 = 0, all: UInt64 = 0
    }

    /// Of all workers since each opened; nil where the page does not tell, or no worker is open.
    init?(since openings: [WorkerStats], at now: UInt64) {
        var sums = Sums()
        for worker in openings where worker[.heartbeat] != 0 {
            guard let opened = worker[.openedAt], let spent = StatsTime.spent(worker) else { return nil }
            guard opened != 0, now > opened else { continue }
            sums.application &+= spent.application
            sums.library &+= spent.library
            sums.cpu &+= spent.cpu
            sums.all &+= now - opened
        }
        self.init(sums)
    }

    /// Of all workers between two readings; nil where the page does not tell, or a number went back.
    init?(from before: WorkerStats, to now: WorkerStats, workers: Int, nanoseconds: UInt64) {
        guard let first = StatsTime.spent(before), let last = StatsTime.spent(now) else { return nil }
        guard last.library >= first.library, last.cpu >= first.cpu else { return nil }
        let (all, isTooLong) = nanoseconds.multipliedReportingOverflow(by: UInt64(workers))
        guard !isTooLong else { return nil }
        self.init(
            Sums(
                application: last.application &- first.application, library: last.library - first.library,
                cpu: last.cpu - first.cpu, all: all))
    }

    private static func spent(_ stats: WorkerStats) -> Sums? {
        guard let turns = stats.histograms.first(where: { $0.name == "turn_ns" })?.sum else { return nil }
        guard let library = stats[.libraryTime], let cpu = stats[.cpuTime] else { return nil }
        return Sums(application: turns, library: library, cpu: cpu)
    }

    /// A page holds any numbers, and a turn may have waited for the CPU: so no share is above what is left.
    private init?(_ sums: Sums) {
        guard sums.all > 0 else { return nil }
        let all = Double(sums.all)
        application = min(1, Double(sums.application) / all)
        library = min(1 - application, Double(sums.library) / all)
        kernel = min(1 - application - library, max(0, Double(sums.cpu) / all - application - library))
    }

    var text: String {
        func percent(_ share: Double) -> String { Figure.rounded(share * 100, decimals: 1) + "%" }
        return "time: application \(percent(application)), library \(percent(library)), kernel \(percent(kernel)), "
            + "idle \(percent(max(0, 1 - application - library - kernel)))"
    }
}
#endif

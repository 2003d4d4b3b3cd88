#if Command
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// CPU time of a load and of its server, in nanoseconds: of all their threads, or what they took between two moments.
struct LoadCPU: Sendable {
    var load: UInt64 = 0
    /// 0 where the server's process is not known.
    var server: UInt64 = 0

    static func now(_ plan: LoadPlan) -> LoadCPU {
        LoadCPU(load: time(of: 0) ?? 0, server: plan.serverProcess.flatMap(time) ?? 0)
    }

    /// The process clock: up to date, while /proc is so only at each tick. `nil` once the process is gone.
    /// - Parameter process: 0 for this one.
    static func time(of process: Int32) -> UInt64? {
        var clock = clockid_t()
        var time = timespec()
        guard unsafe clock_getcpuclockid(process, &clock) == 0, unsafe clock_gettime(clock, &time) == 0 else {
            return nil
        }
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// A process that has ended meanwhile took nothing.
    static func - (left: LoadCPU, right: LoadCPU) -> LoadCPU {
        LoadCPU(
            load: left.load - min(left.load, right.load), server: left.server - min(left.server, right.server))
    }

    static func += (left: inout LoadCPU, right: LoadCPU) {
        left.load += right.load
        left.server += right.server
    }
}
#endif

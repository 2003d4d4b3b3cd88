import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The counters of a running port, in this process or another one, as of one moment.
///
/// A port keeps its counters in a memfd that its own user and root can open through /proc/PID/fd, so nothing is left
/// behind when a process dies. What another process put there is copied and checked, never trusted: the counters may
/// be any numbers, and nothing else comes from that process but a driver's name and names of fields, of lower-case
/// letters and digits.
///
/// A page names its fields, so it is read as far as it and this build agree: see ``fields``.
///
/// A process that gave up root by `setuid(2)` is closed to its new user until it calls ``allowReadingByOwnUser()``
/// (`iocp serve --user` does).
@safe
public struct PortStats: ~Copyable {
    let view: OpaquePointer
    /// The process that was asked for, as this one's /proc names it.
    public let processID: Int32
    /// The fields of the page, 1 to 128, in its order. A page of another build may lack some of ``WorkerStats/fields``
    /// and have others, whose ``StatsField/summary`` is empty.
    public let fields: [StatsField]
    /// The histograms of the page, without values.
    private let histograms: [StatsHistogram]

    /// Reads the page of a process' first port.
    /// - Throws: ENOENT when the process has no port, EACCES when it is another user's, ESRCH when it is gone, EPROTO
    ///   when what it has is no stats page of this version.
    public init(processID: Int32) throws(IOCPError) {
        unsafe view = try PortStats.open(processID)
        self.processID = processID
        unsafe fields = PortStats.fields(of: view)
        unsafe histograms = PortStats.histograms(of: view)
    }

    deinit {
        unsafe iocp_stats_view_close(view)
    }

    /// The driver in force, "uring" or "epoll"; a later build may have others. Lower-case letters and digits.
    public var driver: String { unsafe String(cString: iocp_stats_view_driver(view)) }
    /// How many workers the port has, 1 to 1,024.
    public var workerCount: Int { unsafe Int(iocp_stats_view_worker_count(view)) }

    /// One worker's counters as of the latest reading.
    public subscript(worker: Int) -> WorkerStats {
        precondition(worker >= 0 && worker < workerCount, "worker index out of bounds")
        var others: [StatsField: UInt64] = [:]
        for (place, field) in fields.enumerated() where field.index == nil {
            others[field] = unsafe iocp_stats_view_value(view, UInt32(worker), UInt32(place))
        }
        let histograms = histograms.enumerated().map { place, histogram in
            unsafe histogram.with(iocp_stats_view_histogram_value(view, UInt32(worker), UInt32(place)))
        }
        return unsafe WorkerStats(
            iocp_stats_view_worker(view, UInt32(worker)), present: .init(iocp_stats_view_known(view)), others: others,
            histograms: histograms)
    }

    private static func histograms(of view: OpaquePointer) -> [StatsHistogram] {
        (0..<(unsafe iocp_stats_view_histogram_count(view))).map { place in
            unsafe StatsHistogram(iocp_stats_view_histogram(view, place).pointee)
        }
    }

    private static func fields(of view: OpaquePointer) -> [StatsField] {
        let count = unsafe iocp_stats_view_field_count(view)
        return (0..<count).map { place in
            let known = unsafe iocp_stats_view_field_known(view, place)
            guard known == IOCP_STATS_FIELD_NONE else { return WorkerStats.fields[Int(known)] }
            return unsafe StatsField(iocp_stats_view_field(view, place).pointee, index: nil)
        }
    }

    /// Reads the counters again. The page stays readable when its process has ended.
    /// - Throws: EPROTO when it is no stats page any more; the counters are unspecified then.
    public mutating func refresh() throws(IOCPError) {
        try check(unsafe iocp_stats_view_refresh(view), .stats)
    }

    /// The processes on this machine that have a port and may be read by this user, in ascending order.
    public static func processIDs() -> [Int32] {
        directoryEntries("/proc").compactMap { Int32($0) }.filter { hasPort($0) }.sorted()
    }

    private static func hasPort(_ processID: Int32) -> Bool {
        guard let view = unsafe try? open(processID) else { return false }
        unsafe iocp_stats_view_close(view)
        return true
    }

    /// Lets this process' user read its counters after the process gave up root by `setuid(2)`.
    ///
    /// The kernel then closes a process to its new user, since it may hold what only root may know: not even its
    /// counters can be read but by root. This opens it again (`PR_SET_DUMPABLE`): other processes of that user may see
    /// its descriptors, trace it where the sysctl `kernel.yama.ptrace_scope` allows that, and it dumps core. So call it
    /// only where nothing is in memory that the user must not know.
    public static func allowReadingByOwnUser() throws(IOCPError) {
        try check(iocp_process_open_to_its_user(), .stats)
    }

    // MARK: Finding a page

    private static func open(_ processID: Int32) throws(IOCPError) -> OpaquePointer {
        let directory = "/proc/\(processID)/fd"
        guard unsafe access("/proc/\(processID)", F_OK) == 0 else { throw absence(of: processID) }
        guard unsafe access(directory, R_OK | X_OK) == 0 else {
            throw IOCPError(code: EACCES, operation: .stats, detail: "process \(processID) belongs to another user")
        }
        // A program may have made a file of that name itself, so the first that is a page counts.
        var refused: Int32?
        for descriptor in directoryEntries(directory).compactMap({ Int($0) }).sorted() {
            let path = "\(directory)/\(descriptor)"
            guard linkTarget(path).hasPrefix("/memfd:iocp-stats"), isWritable(path) else { continue }
            var view: OpaquePointer?
            let result = unsafe iocp_stats_view_open_path(path, &view)
            if result >= 0, let view = unsafe view { return unsafe view }
            refused = refused ?? result
        }
        if let refused {
            throw IOCPError(code: refused, operation: .stats, detail: "of process \(processID)")
        }
        throw IOCPError(code: ENOENT, operation: .stats, detail: "process \(processID) has no completion port")
    }

    /// Why a process is not in /proc. A signal 0 finds one that `hidepid` keeps out of it.
    private static func absence(of processID: Int32) -> IOCPError {
        guard processID > 0, kill(processID, 0) == 0 || errno == EPERM else {
            return IOCPError(code: ESRCH, operation: .stats, detail: "no process \(processID)")
        }
        return IOCPError(
            code: EACCES, operation: .stats, detail: "/proc hides process \(processID) from this user (hidepid)")
    }

    private static func directoryEntries(_ path: String) -> [String] {
        guard let directory = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(directory) }
        var names: [String] = []
        while let entry = unsafe readdir(directory) {
            let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            names.append(name)
        }
        return names
    }

    /// Whether the process has the file open for writing. One that only reads a page, as `iocp top` does, has no port by
    /// that. The mode of the link tells it (proc(5)).
    private static func isWritable(_ path: String) -> Bool {
        var status = stat()
        return unsafe lstat(path, &status) == 0 && status.st_mode & S_IWUSR != 0
    }

    private static func linkTarget(_ path: String) -> String {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { buffer in
            let count = unsafe readlink(path, buffer.baseAddress!, buffer.count)
            guard count > 0 else { return "" }
            return unsafe String(decoding: UnsafeRawBufferPointer(buffer).prefix(count), as: UTF8.self)
        }
    }
}

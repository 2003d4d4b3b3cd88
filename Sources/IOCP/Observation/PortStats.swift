import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The stats page of a running port, in this process or another one.
///
/// A port keeps its counters in a memfd that its own user (and root) can open through /proc/PID/fd, so nothing is left
/// behind when a process dies.
@safe
public struct PortStats: ~Copyable {
    private let view: OpaquePointer

    /// Maps the first port's page of a process.
    /// - Throws: ENOENT when the process has no port, EACCES when it is another user's, ESRCH when it is gone.
    public init(processID: Int32) throws(IOCPError) {
        let path = try PortStats.pagePath(of: processID)
        let fd = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { throw IOCPError(code: errno, operation: .stats, detail: path) }
        defer { _ = close(fd) }
        var mapped: OpaquePointer?
        let result = unsafe iocp_stats_view_open(fd, &mapped)
        guard result >= 0, let mapped = unsafe mapped else { throw IOCPError(code: result, operation: .stats) }
        unsafe view = mapped
    }

    deinit {
        unsafe iocp_stats_view_close(view)
    }

    public var processID: Int32 { unsafe iocp_stats_view_pid(view) }
    public var driver: String { unsafe String(cString: iocp_stats_view_driver(view)) }
    public var workerCount: Int { unsafe Int(iocp_stats_view_worker_count(view)) }

    /// One worker's counters as of now.
    public subscript(worker: Int) -> WorkerStats {
        precondition(worker >= 0 && worker < workerCount, "worker index out of bounds")
        return unsafe WorkerStats(iocp_stats_view_worker(view, UInt32(worker)))
    }

    /// The processes on this machine that have a port and may be read by this user, in ascending order.
    public static func processIDs() -> [Int32] {
        directoryEntries("/proc").compactMap { Int32($0) }.filter { (try? pagePath(of: $0)) != nil }.sorted()
    }

    private static func pagePath(of processID: Int32) throws(IOCPError) -> String {
        let directory = "/proc/\(processID)/fd"
        guard unsafe access("/proc/\(processID)", F_OK) == 0 else {
            throw IOCPError(code: ESRCH, operation: .stats, detail: "no process \(processID)")
        }
        guard unsafe access(directory, R_OK | X_OK) == 0 else {
            throw IOCPError(code: EACCES, operation: .stats, detail: "process \(processID) belongs to another user")
        }
        let descriptors = directoryEntries(directory).compactMap { Int($0) }.sorted()
        for descriptor in descriptors where linkTarget("\(directory)/\(descriptor)").hasPrefix("/memfd:iocp-stats") {
            return "\(directory)/\(descriptor)"
        }
        throw IOCPError(code: ENOENT, operation: .stats, detail: "process \(processID) has no completion port")
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

    private static func linkTarget(_ path: String) -> String {
        unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { buffer in
            let count = unsafe readlink(path, buffer.baseAddress!, buffer.count)
            guard count > 0 else { return "" }
            return unsafe String(decoding: UnsafeRawBufferPointer(buffer).prefix(count), as: UTF8.self)
        }
    }
}

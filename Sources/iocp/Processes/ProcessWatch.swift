#if Command
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Whether one process still runs. Its number may be given to another process later, which is never taken for it.
final class ProcessWatch {
    enum State {
        case running
        /// By SIGSTOP and the like, or by a debugger.
        case stopped
        /// It has ended, whether or not its parent knows that already.
        case gone
    }

    /// The process' folder of /proc. It stays that process' when the number is used again.
    private let folder: Int32

    init(_ processID: Int32) {
        folder = unsafe open("/proc/\(processID)", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }

    deinit {
        if folder >= 0 { close(folder) }
    }

    /// Asks the kernel. The process itself is not involved.
    var state: State {
        guard folder >= 0, let line = ProcFile.read("stat", in: folder) else { return .gone }
        // "4711 (name) S …": the name may have any bytes, so the last bracket counts.
        guard let end = line.lastIndex(of: UInt8(ascii: ")")), line.count > end + 2 else { return .gone }
        return switch line[end + 2] {
        case UInt8(ascii: "T"), UInt8(ascii: "t"): .stopped
        case UInt8(ascii: "Z"), UInt8(ascii: "X"), UInt8(ascii: "x"): .gone
        default: .running
        }
    }
}
#endif

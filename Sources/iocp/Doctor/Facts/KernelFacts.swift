#if Command
import CIOCP

/// The kernel, and what it lets this process do with io_uring.
struct KernelFacts {
    let release: Reading<String>
    let version: Reading<KernelVersion>
    let build: Reading<String>
    /// kernel.io_uring_disabled: 0, 1 (some may) or 2 (nobody may). Kernels before 6.6 do not have it.
    let ringsDisabled: Reading<Int>
    /// kernel.io_uring_group: who may when `ringsDisabled` is 1; nil for no group, which the kernel writes as -1.
    let ringGroup: Reading<Int?>
    /// Found by trial on the kernel that runs, whatever the root of the files.
    let ring: iocp_capabilities
    /// 0, or the errno with which epoll_pwait2(2) was refused; found by trial, too.
    let preciseWaits: Int32
    /// net.core.busy_poll: microseconds for which poll, select and epoll look at a card's queue; 0 for not at all.
    let busyPolling: Reading<Int>

    init(_ files: SystemFiles) {
        release = files.word("/proc/sys/kernel/osrelease")
        version = release.flatMap { text in
            KernelVersion(text).map { .found($0) } ?? .unknown("\"\(text)\" is no release of Linux")
        }
        let buildPath = "/proc/sys/kernel/version"
        build = files.text(buildPath).flatMap { text in
            let line = SystemFiles.shown(text.split(separator: "\n").first ?? "")
            return line.allSatisfy(\.isWhitespace) ? .unknown("\(buildPath) is empty") : .found(line)
        }
        ringsDisabled = files.number("/proc/sys/kernel/io_uring_disabled")
        ringGroup = files.word("/proc/sys/kernel/io_uring_group").map { Number.parse($0) }
        ring = unsafe iocp_capabilities_get().pointee
        preciseWaits = -iocp_epoll_try_nanoseconds()
        busyPolling = files.number("/proc/sys/net/core/busy_poll")
    }
}

/// Major and minor number of a release such as "6.1.0-18-amd64".
struct KernelVersion: Comparable, CustomStringConvertible {
    let major: Int
    let minor: Int

    init(_ major: Int, _ minor: Int) { (self.major, self.minor) = (major, minor) }

    init?(_ release: String) {
        let parts = release.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count >= 2, let major = Number.parse(parts[0]),
            let minor = Number.parse(parts[1].prefix { $0.isASCII && $0.isNumber })
        else { return nil }
        self.init(major, minor)
    }

    static func < (a: KernelVersion, b: KernelVersion) -> Bool { (a.major, a.minor) < (b.major, b.minor) }

    var description: String { "\(major).\(minor)" }
}
#endif

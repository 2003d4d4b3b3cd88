import Foundation

/// A folder with files of /proc and /sys as some machine has them, for `iocp doctor --root`. Gone with the value.
final class StagedMachine {
    let root: String

    /// A machine with four CPUs and 16 GiB that wants nothing, and what is different on this one: a nil removes a file.
    convenience init(_ changes: [String: String?] = [:]) throws {
        try self.init(
            files: StagedMachine.fit.mapValues(Optional.some).merging(changes) { $1 }.compactMapValues(\.self))
    }

    init(files: [String: String]) throws {
        root = NSTemporaryDirectory() + "iocp-doctor-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        for (path, text) in files { try write(Data(text.utf8), to: path) }
    }

    deinit { try? FileManager.default.removeItem(atPath: root) }

    func write(_ bytes: Data, to path: String) throws {
        let file = root + "/" + path
        try FileManager.default.createDirectory(
            atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try bytes.write(to: URL(fileURLWithPath: file))
    }

    static let paths = fit.keys.sorted()

    /// The line of /proc/self/limits for open files.
    static func limits(
        openFiles soft: String, _ hard: String, locked: String = "unlimited", processes: String = "60000"
    )
        -> String
    {
        """
        Limit                     Soft Limit           Hard Limit           Units
        Max processes             \(processes)                \(processes)                processes
        Max open files            \(soft)                \(hard)                files
        Max locked memory         \(locked)              \(locked)              bytes

        """
    }

    static func status(
        seccomp: Int = 0, capabilities: String = "0000000000000000", cpus: String = "0-3", noNewPrivileges: Int = 0
    ) -> String {
        """
        Name:\tiocp
        Uid:\t1000\t1000\t1000\t1000
        Gid:\t1000\t1000\t1000\t1000
        Groups:\t1000 1001
        CapEff:\t\(capabilities)
        NoNewPrivs:\t\(noNewPrivileges)
        Seccomp:\t\(seccomp)
        Cpus_allowed_list:\t\(cpus)

        """
    }

    static func memory(hugePages: Int, free: Int, available: Int = 15_000_000) -> String {
        """
        MemTotal:       16000000 kB
        MemAvailable:   \(available) kB
        HugePages_Total:     \(hugePages)
        HugePages_Free:      \(free)
        Hugepagesize:       2048 kB

        """
    }

    private static let fit: [String: String] = [
        "proc/sys/kernel/osrelease": "6.18.1\n",
        "proc/sys/kernel/version": "#1 SMP\n",
        "proc/sys/kernel/io_uring_disabled": "0\n",
        "proc/sys/kernel/io_uring_group": "-1\n",
        "proc/sys/kernel/threads-max": "100000\n",
        "proc/sys/fs/file-nr": "1000\t0\t9223372036854775807\n",
        "proc/sys/vm/max_map_count": "65530\n",
        "proc/sys/net/core/somaxconn": "4096\n",
        "proc/sys/net/core/busy_poll": "0\n",
        "proc/sys/net/core/default_qdisc": "fq\n",
        "proc/sys/net/ipv4/tcp_max_syn_backlog": "4096\n",
        "proc/sys/net/ipv4/tcp_syncookies": "1\n",
        "proc/sys/net/ipv4/tcp_mem": "187500\t250000\t375000\n",
        "proc/sys/net/ipv4/ip_local_port_range": "32768\t60999\n",
        "proc/sys/net/ipv4/tcp_congestion_control": "cubic\n",
        "proc/sys/net/ipv4/tcp_tw_reuse": "2\n",
        "proc/self/status": status(),
        "proc/self/limits": limits(openFiles: "100000", "100000"),
        "proc/self/cgroup": "0::/server\n",
        "proc/meminfo": memory(hugePages: 400, free: 400),
        "proc/irq/40/effective_affinity_list": "0\n",
        "proc/irq/41/effective_affinity_list": "1\n",
        "sys/devices/system/cpu/online": "0-3\n",
        "sys/devices/system/cpu/smt/active": "0\n",
        "sys/devices/system/node/online": "0\n",
        "sys/devices/system/node/node0/cpulist": "0-3\n",
        "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
        "sys/class/net/lo/operstate": "unknown\n",
        "sys/class/net/eth0/operstate": "up\n",
        "sys/class/net/eth0/speed": "10000\n",
        "sys/class/net/eth0/queues/rx-0/rps_cpus": "0\n",
        "sys/class/net/eth0/queues/rx-1/rps_cpus": "0\n",
        "sys/class/net/eth0/device/msi_irqs/40": "msix\n",
        "sys/class/net/eth0/device/msi_irqs/41": "msix\n",
    ]
}

#if Command
/// The settings of the network namespace that bound a server.
struct NetworkFacts {
    let backlog: Reading<Int>
    let halfOpen: Reading<Int>
    let cookies: Reading<Int>
    /// Pages of memory for all TCP sockets: at ease, under pressure, and the most.
    let memoryPages: Reading<[Int]>
    let portRange: Reading<ClosedRange<Int>>
    let congestionControl: Reading<String>
    let defaultDiscipline: Reading<String>
    /// The queueing disciplines of each interface, as the kernel tells them.
    let disciplines: Reading<[String: Set<String>]>
    let reuse: Reading<Int>
    let openFiles: Reading<(used: Int, limit: Int)>
    let trackedConnections: Reading<(used: Int, limit: Int)>
    /// Whether the kernel tracks connections at all.
    let tracks: Bool

    init(_ files: SystemFiles) {
        backlog = files.number("/proc/sys/net/core/somaxconn")
        halfOpen = files.number("/proc/sys/net/ipv4/tcp_max_syn_backlog")
        cookies = files.number("/proc/sys/net/ipv4/tcp_syncookies")
        memoryPages = files.numbers("/proc/sys/net/ipv4/tcp_mem", count: 3)
        let path = "/proc/sys/net/ipv4/ip_local_port_range"
        portRange = files.numbers(path, count: 2).flatMap { ends in
            guard ends[0] <= ends[1], ends[1] <= 65_535 else { return .unknown("\(path) holds no range of ports") }
            return .found(ends[0]...ends[1])
        }
        congestionControl = files.word("/proc/sys/net/ipv4/tcp_congestion_control")
        defaultDiscipline = files.word("/proc/sys/net/core/default_qdisc")
        disciplines =
            files.isThisSystem ? QueueingDisciplines.read() : .unknown("the kernel alone tells them, and no file does")
        reuse = files.number("/proc/sys/net/ipv4/tcp_tw_reuse")
        openFiles = files.numbers("/proc/sys/fs/file-nr", count: 3).map { ($0[0], $0[2]) }
        let folder = "/proc/sys/net/netfilter"
        tracks = files.exists(folder + "/nf_conntrack_max")
        trackedConnections = files.number(folder + "/nf_conntrack_count").flatMap { used in
            files.number(folder + "/nf_conntrack_max").map { (used, $0) }
        }
    }
}
#endif

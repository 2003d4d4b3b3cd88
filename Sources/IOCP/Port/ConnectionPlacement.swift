import CIOCP

/// Which worker of a port has a client.
public enum ConnectionPlacement: UInt8, Sendable, Hashable, CaseIterable, CustomStringConvertible {
    /// The kernel's choice, by a hash of the addresses. It costs nothing, and some workers have more clients than others.
    case kernelHash = 0
    /// The worker on the CPU that took in the client's first packet, so that its packets stay in one CPU's caches.
    ///
    /// Only with workers that are bound to CPUs (``PortConfiguration/workerPlacement``); else a port is refused (EINVAL). Needs Linux
    /// 6.2, before which it is ``kernelHash``. Even only as far as the network card spreads connections over the CPUs.
    case incomingCPU = 1
    /// The worker that accepts a client hands it over if another one has notably fewer connections: by more than one, and by more
    /// than a sixty-fourth of its own.
    ///
    /// Such a client is opened about a wake-up later. With io_uring it needs Linux 6.8: before, `uring` is refused (EOPNOTSUPP),
    /// and `auto` is epoll.
    case leastLoaded = 2

    /// "kernelHash", "incomingCPU" or "leastLoaded".
    public var description: String {
        switch self {
        case .kernelHash: "kernelHash"
        case .incomingCPU: "incomingCPU"
        case .leastLoaded: "leastLoaded"
        }
    }

    var raw: iocp_placement { iocp_placement(rawValue: rawValue) }
}

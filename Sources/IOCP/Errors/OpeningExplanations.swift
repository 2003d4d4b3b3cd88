#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Opening a port, its workers and its listeners.
extension Explanation {
    static func configuration(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EINVAL: Explanation("the configuration is out of bounds", error.detail, "see PortConfiguration")
        case EMFILE where error.detail?.hasPrefix("connections ") == true:
            Explanation(
                "the connections cannot be held", error.detail,
                "raise RLIMIT_NOFILE (ulimit -n), or leave workers and connectionsPerWorker at 0")
        case EMFILE:
            Explanation(
                "connectionsPerWorker is too large", "a ring's direct descriptors are bounded by RLIMIT_NOFILE",
                "use more workers, or raise the limit (ulimit -n)")
        case EOPNOTSUPP:
            Explanation("io_uring cannot do this here", error.detail, "use the epoll driver, or a newer kernel")
        case ENOSYS: Explanation("the driver is not part of this build", nil, "choose auto, uring or epoll")
        default: nil
        }
    }

    static func memory(_ error: IOCPError) -> Explanation {
        let subject = error.detail ?? "the port"
        if error.code == EMFILE || error.code == ENFILE {
            return Explanation(
                "no file descriptor for \(subject)", "the process or the machine is at its limit",
                "raise ulimit -n, or lower the number of workers")
        }
        return Explanation(
            "no memory for \(subject)", "the machine or its cgroup is out of memory", "lower the configured sizes")
    }

    static func ring(_ error: IOCPError) -> Explanation {
        switch error.code {
        case EPERM, EACCES:
            Explanation(
                "io_uring is refused here", "container seccomp profile or kernel.io_uring_disabled=2",
                "allow io_uring_setup, or use the epoll driver")
        case ENOSYS:
            Explanation(
                "io_uring is refused here", "seccomp, or a kernel built without it", "use the epoll driver")
        case EINVAL:
            Explanation(
                "this kernel's io_uring is too old", "the ring needs Linux 6.1 or later", "use the epoll driver")
        case ENOMEM:
            Explanation("no memory for the ring", "RLIMIT_MEMLOCK or the cgroup is too small", "raise ulimit -l")
        case EMFILE, ENFILE:
            Explanation("no file descriptor for the ring", "the process is at its limit", "raise ulimit -n")
        default: Explanation("the ring could not be opened", error.detail)
        }
    }

    static var ringFiles: Explanation {
        Explanation(
            "the ring's direct-descriptor table was refused", "it may not exceed RLIMIT_NOFILE",
            "lower connectionsPerWorker or raise the limit (ulimit -n)")
    }

    static var ringBuffers: Explanation {
        Explanation(
            "the ring's receive buffers were refused", "memory is short, or RLIMIT_MEMLOCK is too low",
            "lower receiveBuffersPerWorker or raise the limit (ulimit -l)")
    }

    static func ringLockdown(_ error: IOCPError) -> Explanation {
        Explanation("the ring could not be locked down", error.detail, "run without lockdown on this kernel")
    }

    static var epoll: Explanation {
        Explanation("epoll was refused", "the process is out of file descriptors", "raise ulimit -n")
    }

    static func thread(_ error: IOCPError) -> Explanation {
        Explanation(
            "a worker's thread could not be set up", error.detail,
            "check the process' CPU affinity, cpuset and thread limit (ulimit -u)")
    }

    static var busyPoll: Explanation {
        Explanation(
            "busy polling was refused", "it needs Linux 6.9 or later, built with CONFIG_NET_RX_BUSY_POLL",
            "leave busyPoll at zero")
    }

    static func attach(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EBUSY:
            Explanation("no worker is left to open", error.detail, "raise workers, or attach fewer threads")
        case EINVAL: Explanation("there is no such worker")
        default: nil
        }
    }

    static func stats(_ error: IOCPError) -> Explanation {
        switch error.code {
        case ESRCH: Explanation("there is no such process", error.detail)
        case ENOENT: Explanation("no completion port is there", error.detail, "name a process that runs one")
        case EACCES, EPERM:
            Explanation("the stats page cannot be read", error.detail, "run as that user or as root")
        case EPROTO:
            Explanation(
                "what is there is no stats page of this version", error.detail, "use the iocp of the same version")
        case EINVAL:
            Explanation("this is no counter's name", error.detail, "take 1 to 31 lower-case letters, digits and '_'")
        case EEXIST:
            Explanation("the name has another kind", error.detail, "ask for the counter or the gauge that it is")
        case ENOSPC:
            Explanation(
                "the port has 64 counters of the application's already", error.detail, "use one for several things")
        default:
            Explanation(
                "the stats page was refused", "memfd_create is forbidden, or descriptors are short", "raise ulimit -n")
        }
    }

    static func listen(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EADDRINUSE:
            Explanation(
                "the port is in use", error.detail, "stop the one that holds it, or choose another port")
        case EACCES, EPERM:
            Explanation(
                "the port is privileged", "ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE",
                "choose a port from 1024, or grant the capability")
        case EADDRNOTAVAIL:
            Explanation("the address is not this machine's", nil, "listen on 0.0.0.0, :: or a local address")
        case EAFNOSUPPORT:
            Explanation(
                "the address is of a family that this machine lacks", "IPv6 is switched off", "listen on 0.0.0.0")
        case EMFILE, ENFILE:
            Explanation("no file descriptor for the listener", "the process is at its limit", "raise ulimit -n")
        case ENOSPC: Explanation("the port has as many listeners as it may", nil, "listen on :: for every address")
        case ERANGE: Explanation("an option of the listener is out of its bounds", error.detail)
        case ENOENT:
            Explanation(
                "the congestion control is not known", "its module is not loaded",
                "choose one of net.ipv4.tcp_available_congestion_control")
        case ENODEV: Explanation("there is no such network interface", nil, "name one that ip link shows")
        case EBADF, ENOTSOCK:
            Explanation("the inherited descriptor is no socket", nil, "pass one that is bound already")
        case EPROTOTYPE:
            Explanation("the inherited socket is no stream socket", nil, "pass a TCP or Unix stream socket")
        default: nil
        }
    }

    static func listenUnix(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EADDRINUSE:
            Explanation(
                "the name is in use", error.detail, "stop the server that listens there, or choose another name")
        case ENOENT:
            Explanation("the folder of the socket is not there", nil, "make the folder, or choose another path")
        case EACCES, EPERM:
            Explanation("the socket may not be made there", "its folder may not be written", "choose another path")
        case ENOTDIR: Explanation("a part of the path is no folder", nil, "choose another path")
        case EROFS: Explanation("the file system is read-only", nil, "choose another path")
        case ENAMETOOLONG: Explanation("the name is too long", error.detail, "choose a shorter one")
        case EINVAL: Explanation("it is no name of a Unix socket", error.detail)
        case EMFILE, ENFILE:
            Explanation("no file descriptor for the listener", "the process is at its limit", "raise ulimit -n")
        case ENOSPC: Explanation("the port has as many listeners as it may", "64 are listened on")
        default: nil
        }
    }

    static func resolve(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EINVAL:
            Explanation(
                "the host cannot be resolved", error.detail.map { "\"\($0)\" names no address" },
                "use a numeric address or a known name")
        case EAGAIN:
            Explanation(
                "the resolver does not answer", error.detail.map { "no name server said whether \"\($0)\" exists" },
                "check resolv.conf, use a numeric address, or try again")
        case EIO:
            Explanation(
                "the resolver failed", error.detail.map { "the name server could not say whether \"\($0)\" exists" },
                "check resolv.conf, or use a numeric address")
        case ERANGE: Explanation("the port is out of range", error.detail, "use 0 to 65535")
        default: nil
        }
    }
}

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What an error means to the person who meets it.
struct Explanation {
    let summary: String
    let cause: String?
    let remedy: String?

    private init(_ summary: String, _ cause: String? = nil, _ remedy: String? = nil) {
        (self.summary, self.cause, self.remedy) = (summary, cause, remedy)
    }

    init(_ error: IOCPError) {
        switch error.operation {
        case .configuration: self = .configuration(error)
        case .ring: self = .ring(error)
        case .ringFiles:
            self.init(
                "the ring's direct-descriptor table was refused", "it may not exceed RLIMIT_NOFILE",
                "lower connectionsPerWorker or raise the limit (ulimit -n)")
        case .ringBuffers:
            self.init(
                "the ring's receive buffers were refused", "memory is short, or RLIMIT_MEMLOCK is too low",
                "lower receiveBuffersPerWorker or raise the limit (ulimit -l)")
        case .ringLockdown:
            self.init("the ring could not be locked down", error.detail, "run without lockdown on this kernel")
        case .memory:
            self.init(
                "no memory for \(error.detail ?? "the port")", "the machine or its cgroup is out of memory",
                "lower the configured sizes")
        case .epoll: self.init("epoll was refused", "the process is out of file descriptors", "raise ulimit -n")
        case .thread:
            self.init(
                "a worker's thread could not be set up", error.detail,
                "check the process' CPU affinity, cpuset and thread limit (ulimit -u)")
        case .stats: self = .stats(error)
        case .listen: self = .listen(error)
        case .busyPoll:
            self.init(
                "busy polling was refused", "it needs Linux 6.9 or later, built with CONFIG_NET_RX_BUSY_POLL",
                "leave busyPoll at zero")
        case .resolve: self = .resolve(error)
        case .application, .attach, .wait, .post, .connect, .send, .notifyWhenSent, .receive, .close, .timer,
            .peerAddress, .inquiry, .transport:
            self = .call(error)
        }
    }

    private static func configuration(_ error: IOCPError) -> Explanation {
        if error.code == EMFILE {
            return Explanation(
                "connectionsPerWorker is too large", "a ring's direct descriptors are bounded by RLIMIT_NOFILE",
                "use more workers, or raise the limit (ulimit -n)")
        }
        return Explanation("the configuration is out of bounds", error.detail, "see PortConfiguration")
    }

    private static func ring(_ error: IOCPError) -> Explanation {
        switch error.code {
        case EPERM, EACCES:
            return Explanation(
                "io_uring is refused here", "container seccomp profile or kernel.io_uring_disabled=2",
                "allow io_uring_setup, or use the epoll driver")
        case ENOSYS:
            return Explanation(
                "io_uring is refused here", "seccomp, or a kernel built without it", "use the epoll driver")
        case EINVAL:
            return Explanation(
                "this kernel's io_uring is too old", "the ring needs Linux 6.1 or later", "use the epoll driver")
        case ENOMEM:
            return Explanation("no memory for the ring", "RLIMIT_MEMLOCK or the cgroup is too small", "raise ulimit -l")
        case EMFILE, ENFILE:
            return Explanation("no file descriptor for the ring", "the process is at its limit", "raise ulimit -n")
        default:
            return Explanation("the ring could not be opened", error.detail)
        }
    }

    private static func stats(_ error: IOCPError) -> Explanation {
        switch error.code {
        case ESRCH: return Explanation("there is no such process", error.detail)
        case ENOENT: return Explanation("no completion port is there", error.detail, "name a process that runs one")
        case EACCES: return Explanation("the stats page cannot be read", error.detail, "run as that user or as root")
        case EPROTO: return Explanation("the stats page has another layout", "it belongs to another version")
        default:
            return Explanation(
                "the stats page was refused", "memfd_create is forbidden, or descriptors are short", "raise ulimit -n")
        }
    }

    private static func listen(_ error: IOCPError) -> Explanation {
        switch error.code {
        case EADDRINUSE:
            return Explanation("the port is in use", "another server listens there", "stop it, or choose another port")
        case EACCES, EPERM:
            return Explanation(
                "the port is privileged", "ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE",
                "choose a port from 1024, or grant the capability")
        case EADDRNOTAVAIL:
            return Explanation("the address is not this machine's", nil, "listen on 0.0.0.0, :: or a local address")
        case EMFILE, ENFILE:
            return Explanation("no file descriptor for the listener", "the process is at its limit", "raise ulimit -n")
        default:
            return Explanation("listening failed", error.detail)
        }
    }

    private static func resolve(_ error: IOCPError) -> Explanation {
        switch error.code {
        case EINVAL:
            return Explanation(
                "the host cannot be resolved", error.detail.map { "\"\($0)\" names no address" },
                "use a numeric address or a known name")
        case ERANGE:
            return Explanation("the port is out of range", error.detail, "use 0 to 65535")
        default:
            return Explanation("resolving the host failed", error.detail)
        }
    }

    private static func call(_ error: IOCPError) -> Explanation {
        switch error.code {
        case ENOTCONN: return Explanation("the connection is closed or closing")
        case EPIPE: return Explanation("sending was finished before")
        case ENOBUFS:
            return Explanation(
                "no room for unsent bytes", "peers read slower than this worker sends",
                "wait for writable, or raise sendChunksPerWorker")
        case EAGAIN: return Explanation("the mailbox is full", "the worker is behind", "post again later")
        case ESHUTDOWN: return Explanation("the port has stopped")
        case ENXIO:
            return Explanation(
                "the worker is not open", "no thread has attached it yet", "post after attachWorker has returned")
        case ENFILE: return Explanation("every connection slot is taken", nil, "raise connectionsPerWorker")
        case ECONNREFUSED: return Explanation("the connection was refused", "nothing listens there")
        case ECONNRESET: return Explanation("the peer reset the connection")
        case ETIMEDOUT: return Explanation("the peer did not answer in time")
        case EADDRNOTAVAIL:
            return Explanation(
                "no local port is left for this destination", "about 28,000 connections per address pair",
                "spread the destinations, or widen net.ipv4.ip_local_port_range")
        case EBUSY: return Explanation("the completion queue is too full to ask now", nil, "ask after the next wait")
        case EOPNOTSUPP: return Explanation("this kernel cannot answer", "ring socket commands need Linux 6.7")
        case EMFILE:
            return Explanation("no file descriptor is left", "the process is at its limit", "raise ulimit -n")
        default: return Explanation(unsafe String(cString: strerror(error.code)), error.detail)
        }
    }
}

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What is asked of a port, a worker or a connection.
extension Explanation {
    // MARK: A connection that cannot be asked


    private static var foreign: Explanation {
        Explanation(
            "the connection belongs to another worker", "only its own worker's thread may use it",
            "post to it: CompletionPort.post(_:to:)")
    }

    private static func ofConnection(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case ENOTCONN: Explanation("the connection is closed or closing", error.detail)
        case EXDEV: foreign
        case EPERM: wrongThread
        default: nil
        }
    }

    private static var wrongThread: Explanation {
        Explanation(
            "this is another thread than the worker's", "a worker and its connections belong to one thread",
            "post to the worker: CompletionPort.post(_:to:)")
    }

    // MARK: Ports and workers

    static func wait(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case ECANCELED: Explanation("the worker has ended", "its port stopped, or it left the port")
        case ESHUTDOWN: Explanation("the worker is closed")
        case EPERM: wrongThread
        case EDEADLK:
            Explanation(
                "waiting here would never end", "this thread serves connections of what is waited for",
                "wait on a thread of your own")
        default: nil
        }
    }

    static func post(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EAGAIN:
            Explanation(
                "the worker's mailbox is full", "the worker is behind", "post again later, or raise mailboxEntries")
        case ESHUTDOWN: Explanation("the worker takes no more posts", "the port has stopped, or the worker left it")
        case EINVAL: Explanation("there is no such worker", error.detail, "workers count from 0 to workerCount - 1")
        case ENXIO:
            Explanation(
                "the worker is not open", "no thread has attached it yet", "post after attachWorker has returned")
        default: nil
        }
    }

    static func timer(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case ECANCELED:
            Explanation("the timer ended early", "it was cancelled, its connection closed, or the port stops")
        case ENOBUFS: Explanation("no timer is left", "timersPerWorker are armed", "raise timersPerWorker")
        case EBUSY: Explanation("no closure can be scheduled here", error.detail, "start a timer with a key")
        case ENOENT: Explanation("the timer has ended already")
        case ESHUTDOWN: Explanation("no timer can be started any more", "the port stops, or the worker leaves it")
        default: ofConnection(error)
        }
    }

    // MARK: Connecting

    static func connect(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case ECONNREFUSED: Explanation("the connection was refused", "nothing listens there")
        case ETIMEDOUT: Explanation("the peer did not answer in time")
        case ECONNRESET: Explanation("the peer reset the connection while it was opened")
        case ENETUNREACH: Explanation("the network cannot be reached", "this machine has no route to it")
        case ENOENT: Explanation("the Unix socket is not there", "its server has not begun, or has ended")
        case EHOSTUNREACH: Explanation("the host cannot be reached", "no machine answers at that address")
        case ERANGE: Explanation("the timeout is out of range", nil, "use at most one day")
        case EADDRNOTAVAIL where error.detail != nil:
            Explanation("the source address is not this machine's", error.detail, "connect from a local address")
        case EADDRNOTAVAIL:
            Explanation(
                "no local port is left for this destination", "about 28,000 connections per address pair",
                "spread the destinations or sources, or widen net.ipv4.ip_local_port_range")
        case EADDRINUSE:
            Explanation("the source port is in use", error.detail, "connect from port 0, which takes a free one")
        case EINVAL, EAFNOSUPPORT:
            Explanation(
                "the addresses do not fit together", error.detail ?? "this machine lacks the family of the destination",
                "give a source of the destination's family")
        case EACCES:
            Explanation(
                "connecting is not allowed", error.detail ?? "a firewall rule of this machine, or a broadcast address")
        case EPERM:
            Explanation(
                "connecting is not allowed here",
                "a firewall rule of this machine, or this is another thread than the worker's")
        case ENFILE:
            Explanation(
                "no place for one more connection",
                "every connection slot of the worker is taken, or the machine's table of open files is full",
                "raise connectionsPerWorker, or the sysctl fs.file-max")
        case EAGAIN:
            Explanation(
                "the worker's mailbox is full", "the worker is behind", "connect again later, or raise mailboxEntries")
        case EBUSY:
            Explanation("the completion queue is too full to connect now", nil, "connect again after the next wait")
        case ECANCELED:
            Explanation("the connect was given up", error.detail ?? "it was closed here, or the port stops")
        case ESHUTDOWN:
            Explanation("no connection can be opened any more", "the port has stopped, or the worker left it")
        default: nil
        }
    }

    static func adopt(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EBADF: Explanation("the descriptor is not open")
        case ENOTSOCK: Explanation("the descriptor is no socket")
        case EPROTOTYPE: Explanation("the socket is no stream", "only stream sockets have connections")
        case ENOTCONN: Explanation("the socket is not connected", nil, "connect it first, or use connect(to:)")
        case EAFNOSUPPORT: Explanation("the socket is neither of IP nor of Unix")
        default: connect(error)
        }
    }

    // MARK: Sending

    private static var beingWritten: Explanation {
        Explanation(
            "another send of this worker is being written", "the call was made within its closure",
            "send after the closure has returned")
    }

    static func send(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EPIPE: Explanation("sending was finished before", nil, "send nothing after finishSending")
        case EAGAIN:
            Explanation(
                "the connection's unsent bytes would exceed sendCap", "its peer reads slower than is sent to it",
                "wait for writable, or raise sendCap")
        case ENOBUFS:
            Explanation(
                "no room for unsent bytes", "peers read slower than this worker sends",
                "wait for writable, or raise sendChunksPerWorker or unsentBytesPerWorker")
        case EMSGSIZE:
            Explanation(
                "the message alone is larger than sendCap", "waiting makes no room for it",
                "raise sendCap, or send it in parts")
        case EINVAL:
            Explanation(
                "the capacity is out of bounds", "0 to 16,384 bytes are written in place at a time",
                "append several times to SendParts")
        case EBUSY: beingWritten
        case ECANCELED: Explanation("the wait for the peer to read was given up", error.detail)
        case ETIMEDOUT: Explanation("the peer did not read enough in time", error.detail)
        default: ofConnection(error)
        }
    }

    static func notifyWhenSent(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case ECANCELED: Explanation("not everything was sent", "the connection was closed here first")
        case EPIPE: Explanation("not everything was sent", "sending was finished before, or the peer closed first")
        case ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ENETDOWN:
            Explanation("not everything was sent", transport(error)?.summary)
        case ENOBUFS:
            Explanation(
                "no room for a notification", "as many sends are queued as the worker may have",
                "wait for writable, or raise sendChunksPerWorker")
        case EBUSY: beingWritten
        default: ofConnection(error)
        }
    }

    static func notifyWhenUnsent(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EINVAL: Explanation("unsent bytes never fall below 0", nil, "use a limit of at least 1")
        case EALREADY:
            Explanation(
                "a notification is outstanding", "a connection has one at a time", "ask again after its unsentFell")
        case ECANCELED: Explanation("not enough was sent", "the connection was closed here first")
        case EPIPE, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ENETDOWN:
            Explanation("not enough was sent", transport(error)?.summary)
        default: ofConnection(error)
        }
    }

    static func setWatermarks(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EINVAL: Explanation("the watermarks are out of bounds", nil, "use 0 <= low < high <= cap <= sendCap")
        default: ofConnection(error)
        }
    }

    static func setTimeouts(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EINVAL:
            Explanation(
                "the timeouts are out of bounds", nil,
                "each is more than zero and at most one day, receiveProgressBytes at least 1")
        default: ofConnection(error)
        }
    }

    static func topic(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EAGAIN:
            Explanation(
                "the message was published to nobody", error.detail ?? "a worker is behind",
                "publish again later, or raise queueLimit or mailboxEntries")
        default: ofConnection(error)
        }
    }

    static func offload(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case ENOBUFS where error.detail != nil:
            Explanation("the connection was closed for its unsent bytes", error.detail)
        case ENOBUFS:
            Explanation(
                "the queue for blocking work is full", "every thread of the pool is busy, and as much waits as may",
                "offload again later, or raise offloadQueueEntries or offloadThreads")
        case EAGAIN:
            Explanation(
                "no thread can be started for blocking work", "this user or cgroup has as many as it may",
                "raise the limit (ulimit -u, pids.max of the cgroup)")
        case ECANCELED:
            Explanation("the blocking work was given up", error.detail ?? "no thread had begun with it when the port stopped")
        case ETIMEDOUT: Explanation("the blocking work did not end in time", error.detail)
        case ESHUTDOWN:
            Explanation(
                "no blocking work is taken any more", error.detail ?? "the worker has ended, or stops and cancels such work")
        default: ofConnection(error)
        }
    }

    static func move(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EINVAL: Explanation("there is no such worker", error.detail, "workers count from 0 to workerCount - 1")
        case EBUSY:
            Explanation(
                "the connection has to stay with its worker now",
                error.detail ?? "offloaded work or a scheduled closure is its, or one side has finished sending",
                "move it when that is over")
        case EOPNOTSUPP:
            Explanation(
                "the connection cannot move",
                error.detail ?? "it is secured by TLS, or the driver hands no sockets over")
        case EAGAIN:
            Explanation(
                "the connection cannot move right now",
                error.detail ?? "the other worker has no room for it, or posts from before its return still wait",
                "move it later")
        case EALREADY: Explanation("the connection is on its way to a worker", nil, "move it again after its migrated")
        case ESHUTDOWN: Explanation("no connection moves any more", "one of the two workers stops")
        default: ofConnection(error)
        }
    }

    // MARK: The rest of a connection's life

    static func receive(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case ECANCELED: Explanation("the wait for bytes was given up", error.detail)
        case ETIMEDOUT: Explanation("nothing arrived in time", error.detail)
        case ENOBUFS: Explanation("the connection was closed for its unsent bytes", error.detail)
        default: ofConnection(error)
        }
    }

    static func close(_ error: IOCPError) -> Explanation? { ofConnection(error) }

    static func peerAddress(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EBUSY: Explanation("the completion queue is too full to ask now", nil, "ask after the next wait")
        case EAGAIN: Explanation("the kernel is too short of memory to answer now", nil, "ask after the next wait")
        case EOPNOTSUPP: Explanation("this kernel cannot answer", "ring socket commands need Linux 6.7")
        case EAFNOSUPPORT:
            Explanation(
                "this kind of connection has none", "peers of Unix sockets have credentials, others an IP address")
        default: ofConnection(error)
        }
    }

    static func localAddress(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EMFILE:
            Explanation(
                "no file descriptor is left to ask with", "io_uring needs one for as long as the question takes",
                "raise the limit (ulimit -n)")
        case EOPNOTSUPP: Explanation("this kernel cannot answer", "it takes Linux 6.8, or the epoll driver")
        default: peerAddress(error)
        }
    }

    static func socketOption(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EINVAL: Explanation("the socket does not take this value", "it is out of the option's range, or SO_LINGER")
        case ENOPROTOOPT: Explanation("the socket has no such option", "it is of another kind, or the kernel is older")
        case EOPNOTSUPP:
            Explanation(
                "the socket cannot be asked", "it is of another kind, or the ring needs Linux 6.8",
                "ask TCP connections only, or use the epoll driver")
        case EPERM:
            Explanation(
                "this is not permitted", "the option needs a capability, or this is another thread than the worker's",
                "see capabilities(7)")
        default: localAddress(error)
        }
    }

    static func upstream(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EINVAL: Explanation("the pool's limits are out of order", error.detail)
        case ENOBUFS:
            Explanation(
                "too many wait for a connection", error.detail ?? "all of the pool's are lent",
                "raise maximum or waiting, or give connections back sooner")
        case ETIMEDOUT:
            Explanation("no connection came in time", error.detail ?? "all of the pool's are lent")
        case ESHUTDOWN: Explanation("the pool is closed")
        default: nil
        }
    }

    static func inquiry(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case EPERM, EACCES, ENOSYS:
            Explanation(
                "the pages cannot be looked up", "move_pages(2) is refused here", "allow it in the seccomp profile")
        case EALREADY: Explanation("an async body serves the connection already")
        case ENXIO: Explanation("the worker is not open", error.detail, "wait until it has begun")
        case EINVAL: Explanation("there is no such worker", error.detail)
        default: ofConnection(error)
        }
    }

    static func transport(_ error: IOCPError) -> Explanation? {
        switch error.code {
        case ECONNRESET: Explanation("the peer reset the connection")
        case EPIPE: Explanation("the peer closed the connection while bytes were on their way to it")
        case ETIMEDOUT: Explanation("the peer vanished", "it acknowledged nothing for as long as TCP tries")
        case EHOSTUNREACH, ENETUNREACH, ENETDOWN:
            Explanation("the peer cannot be reached any more", "the network broke")
        case ENOTCONN: Explanation("the connection ended before it could be used")
        default: nil
        }
    }
}

import Glibc
import IOCP

/// What every operation says of every errno that has a sentence of its own there, in full. `DETAIL` is what the error
/// carries beside.
enum ErrorSentences {
    struct Sentence: Sendable {
        let operation: IOCPError.Operation
        let code: Int32
        let hasDetail: Bool
        let text: String
    }

    private static func of(_ operation: IOCPError.Operation, _ sentences: [(Int32, String)]) -> [Sentence] {
        sentences.map { Sentence(operation: operation, code: $0, hasDetail: $1.contains("DETAIL"), text: $1) }
    }

    private static let closed = "the connection is closed or closing (ENOTCONN)"
    private static let foreign =
        "the connection belongs to another worker (EXDEV): only its own worker's thread may use "
        + "it: post to it: CompletionPort.post(_:to:)"
    private static let wrongThread =
        "this is another thread than the worker's (EPERM): a worker and its connections "
        + "belong to one thread: post to the worker: CompletionPort.post(_:to:)"
    private static let beingWritten =
        "another send of this worker is being written (EBUSY): the call was made within its closure: send after the "
        + "closure has returned"
    private static let ofConnection: [(Int32, String)] = [(ENOTCONN, closed), (EXDEV, foreign), (EPERM, wrongThread)]

    static let all: [Sentence] =
        of(
            .configuration,
            [
                (EINVAL, "the configuration is out of bounds (EINVAL): DETAIL: see PortConfiguration"),
                (
                    EMFILE,
                    "connectionsPerWorker is too large (EMFILE): a ring's direct descriptors are bounded by "
                        + "RLIMIT_NOFILE: use more workers, or raise the limit (ulimit -n)"
                ),
                (
                    EOPNOTSUPP,
                    "io_uring cannot do this here (EOPNOTSUPP): DETAIL: use the epoll driver, or a newer kernel"
                ),
                (ENOSYS, "the driver is not part of this build (ENOSYS): choose auto, uring or epoll"),
            ])
        + of(
            .memory,
            [
                (
                    ENOMEM,
                    "no memory for DETAIL (ENOMEM): the machine or its cgroup is out of memory: lower the configured "
                        + "sizes"
                ),
                (
                    EMFILE,
                    "no file descriptor for DETAIL (EMFILE): the process or the machine is at its limit: raise "
                        + "ulimit -n, or lower the number of workers"
                ),
            ])
        + of(
            .ring,
            [
                (
                    EPERM,
                    "io_uring is refused here (EPERM): container seccomp profile or kernel.io_uring_disabled=2: allow "
                        + "io_uring_setup, or use the epoll driver"
                ),
                (
                    ENOSYS,
                    "io_uring is refused here (ENOSYS): seccomp, or a kernel built without it: use the epoll driver"
                ),
                (
                    EINVAL,
                    "this kernel's io_uring is too old (EINVAL): the ring needs Linux 6.1 or later: use the epoll driver"
                ),
                (ENOMEM, "no memory for the ring (ENOMEM): RLIMIT_MEMLOCK or the cgroup is too small: raise ulimit -l"),
                (EMFILE, "no file descriptor for the ring (EMFILE): the process is at its limit: raise ulimit -n"),
            ])
        + of(
            .attach,
            [
                (EBUSY, "no worker is left to open (EBUSY): DETAIL: raise workers, or attach fewer threads"),
                (EINVAL, "there is no such worker (EINVAL)"),
                (ESHUTDOWN, "the port has stopped (ESHUTDOWN)"),
            ])
        + of(
            .wait,
            [
                (ECANCELED, "the worker has ended (ECANCELED): its port stopped, or it left the port"),
                (ESHUTDOWN, "the worker is closed (ESHUTDOWN)"),
                (EPERM, wrongThread),
                (
                    EDEADLK,
                    "waiting here would never end (EDEADLK): this thread serves connections of what is waited for: "
                        + "wait on a thread of your own"
                ),
            ])
        + of(
            .post,
            [
                (
                    EAGAIN,
                    "the worker's mailbox is full (EAGAIN): the worker is behind: post again later, or raise "
                        + "mailboxEntries"
                ),
                (ESHUTDOWN, "the worker takes no more posts (ESHUTDOWN): the port has stopped, or the worker left it"),
                (EINVAL, "there is no such worker (EINVAL): workers count from 0 to workerCount - 1"),
                (
                    ENXIO,
                    "the worker is not open (ENXIO): no thread has attached it yet: post after attachWorker has returned"
                ),
            ])
        + of(
            .listen,
            [
                (
                    EADDRINUSE,
                    "the port is in use (EADDRINUSE): DETAIL: stop the one that holds it, or choose another port"
                ),
                (
                    EADDRNOTAVAIL,
                    "the address is not this machine's (EADDRNOTAVAIL): listen on 0.0.0.0, :: or a local address"
                ),
                (
                    EACCES,
                    "the port is privileged (EACCES): ports below net.ipv4.ip_unprivileged_port_start need "
                        + "CAP_NET_BIND_SERVICE: choose a port from 1024, or grant the capability"
                ),
                (
                    EAFNOSUPPORT,
                    "the address is of a family that this machine lacks (EAFNOSUPPORT): IPv6 is switched off: "
                        + "listen on 0.0.0.0"
                ),
                (EMFILE, "no file descriptor for the listener (EMFILE): the process is at its limit: raise ulimit -n"),
                (ENOSPC, "the port has as many listeners as it may (ENOSPC): listen on :: for every address"),
                (ESHUTDOWN, "the port has stopped (ESHUTDOWN)"),
                (ERANGE, "an option of the listener is out of its bounds (ERANGE): DETAIL"),
                (
                    ENOENT,
                    "the congestion control is not known (ENOENT): its module is not loaded: choose one of "
                        + "net.ipv4.tcp_available_congestion_control"
                ),
                (ENODEV, "there is no such network interface (ENODEV): name one that ip link shows"),
                (EBADF, "the inherited descriptor is no socket (EBADF): pass one that is bound already"),
                (EPROTOTYPE, "the inherited socket is no stream socket (EPROTOTYPE): pass a TCP or Unix stream socket"),
            ])
        + of(
            .listenUnix,
            [
                (
                    EADDRINUSE,
                    "the name is in use (EADDRINUSE): DETAIL: stop the server that listens there, or choose another name"
                ),
                (ENOENT, "the folder of the socket is not there (ENOENT): make the folder, or choose another path"),
                (
                    EACCES,
                    "the socket may not be made there (EACCES): its folder may not be written: choose another path"
                ),
                (ENOTDIR, "a part of the path is no folder (ENOTDIR): choose another path"),
                (ENAMETOOLONG, "the name is too long (ENAMETOOLONG): DETAIL: choose a shorter one"),
                (EINVAL, "it is no name of a Unix socket (EINVAL): DETAIL"),
            ])
        + of(
            .resolve,
            [
                (
                    EINVAL,
                    "the host cannot be resolved (EINVAL): \"DETAIL\" names no address: use a numeric address or a known "
                        + "name"
                ),
                (ERANGE, "the port is out of range (ERANGE): DETAIL: use 0 to 65535"),
            ])
        + of(
            .connect,
            [
                (ECONNREFUSED, "the connection was refused (ECONNREFUSED): nothing listens there"),
                (ENOENT, "the Unix socket is not there (ENOENT): its server has not begun, or has ended"),
                (ETIMEDOUT, "the peer did not answer in time (ETIMEDOUT)"),
                (ECONNRESET, "the peer reset the connection while it was opened (ECONNRESET)"),
                (ENETUNREACH, "the network cannot be reached (ENETUNREACH): this machine has no route to it"),
                (EHOSTUNREACH, "the host cannot be reached (EHOSTUNREACH): no machine answers at that address"),
                (
                    EADDRNOTAVAIL,
                    "the source address is not this machine's (EADDRNOTAVAIL): DETAIL: connect from a local "
                        + "address"
                ),
                (
                    EADDRNOTAVAIL,
                    "no local port is left for this destination (EADDRNOTAVAIL): about 28,000 connections per "
                        + "address pair: spread the destinations or sources, or widen net.ipv4.ip_local_port_range"
                ),
                (
                    EADDRINUSE,
                    "the source port is in use (EADDRINUSE): DETAIL: connect from port 0, which takes a free one"
                ),
                (
                    EINVAL,
                    "the addresses do not fit together (EINVAL): DETAIL: give a source of the destination's family"
                ),
                (
                    EAFNOSUPPORT,
                    "the addresses do not fit together (EAFNOSUPPORT): DETAIL: give a source of the destination's "
                        + "family"
                ),
                (EACCES, "connecting is not allowed (EACCES): a firewall rule of this machine, or a broadcast address"),
                (
                    EPERM,
                    "connecting is not allowed here (EPERM): a firewall rule of this machine, or this is another thread "
                        + "than the worker's"
                ),
                (
                    ENFILE,
                    "no place for one more connection (ENFILE): every connection slot of the worker is taken, or the "
                        + "machine's table of open files is full: raise connectionsPerWorker, or the sysctl fs.file-max"
                ),
                (EMFILE, "no file descriptor is left (EMFILE): the process is at its limit: raise it (ulimit -n)"),
                (
                    EAGAIN,
                    "the worker's mailbox is full (EAGAIN): the worker is behind: connect again later, or raise "
                        + "mailboxEntries"
                ),
                (EBUSY, "the completion queue is too full to connect now (EBUSY): connect again after the next wait"),
                (ECANCELED, "the connect was given up (ECANCELED): it was closed here, or the port stops"),
                (
                    ESHUTDOWN,
                    "no connection can be opened any more (ESHUTDOWN): the port has stopped, or the worker left it"
                ),
            ])
        + of(
            .send,
            [
                (EPIPE, "sending was finished before (EPIPE): send nothing after finishSending"),
                (ECANCELED, "the wait for the peer to read was given up (ECANCELED): DETAIL"),
                (ETIMEDOUT, "the peer did not read enough in time (ETIMEDOUT): DETAIL"),
                (
                    EAGAIN,
                    "the connection's unsent bytes would exceed sendCap (EAGAIN): its peer reads slower than is sent to "
                        + "it: wait for writable, or raise sendCap"
                ),
                (
                    ENOBUFS,
                    "no room for unsent bytes (ENOBUFS): peers read slower than this worker sends: wait for writable, "
                        + "or raise sendChunksPerWorker or unsentBytesPerWorker"
                ),
                (
                    EMSGSIZE,
                    "the message alone is larger than sendCap (EMSGSIZE): waiting makes no room for it: raise sendCap, "
                        + "or send it in parts"
                ),
                (
                    EINVAL,
                    "the capacity is out of bounds (EINVAL): 0 to 16,384 bytes are written in place at a time: append "
                        + "several times to SendParts"
                ),
                (EBUSY, beingWritten),
            ] + ofConnection)
        + of(
            .notifyWhenSent,
            [
                (ECANCELED, "not everything was sent (ECANCELED): the connection was closed here first"),
                (EPIPE, "not everything was sent (EPIPE): sending was finished before, or the peer closed first"),
                (ECONNRESET, "not everything was sent (ECONNRESET): the peer reset the connection"),
                (ETIMEDOUT, "not everything was sent (ETIMEDOUT): the peer vanished"),
                (
                    ENOBUFS,
                    "no room for a notification (ENOBUFS): as many sends are queued as the worker may have: wait for "
                        + "writable, or raise sendChunksPerWorker"
                ),
                (EBUSY, beingWritten),
            ] + ofConnection)
        + of(
            .notifyWhenUnsent,
            [
                (EINVAL, "unsent bytes never fall below 0 (EINVAL): use a limit of at least 1"),
                (
                    EALREADY,
                    "a notification is outstanding (EALREADY): a connection has one at a time: ask again after its "
                        + "unsentFell"
                ),
                (ECANCELED, "not enough was sent (ECANCELED): the connection was closed here first"),
                (
                    EPIPE,
                    "not enough was sent (EPIPE): the peer closed the connection while bytes were on their way to it"
                ),
                (ECONNRESET, "not enough was sent (ECONNRESET): the peer reset the connection"),
                (ETIMEDOUT, "not enough was sent (ETIMEDOUT): the peer vanished"),
            ] + ofConnection)
        + of(
            .setWatermarks,
            [(EINVAL, "the watermarks are out of bounds (EINVAL): use 0 <= low < high <= cap <= sendCap")]
                + ofConnection)
        + of(
            .setTimeouts,
            [
                (
                    EINVAL,
                    "the timeouts are out of bounds (EINVAL): each is more than zero and at most one day, "
                        + "receiveProgressBytes at least 1"
                )
            ] + ofConnection)
        + of(
            .receive,
            ofConnection + [
                (ECANCELED, "the wait for bytes was given up (ECANCELED): DETAIL"),
                (ETIMEDOUT, "nothing arrived in time (ETIMEDOUT): DETAIL"),
                (ENOBUFS, "the connection was closed for its unsent bytes (ENOBUFS): DETAIL"),
            ])
        + of(.close, ofConnection)
        + of(
            .timer,
            [
                (
                    ECANCELED,
                    "the timer ended early (ECANCELED): it was cancelled, its connection closed, or the port stops"
                ),
                (ENOBUFS, "no timer is left (ENOBUFS): timersPerWorker are armed: raise timersPerWorker"),
                (EBUSY, "no closure can be scheduled here (EBUSY): DETAIL: start a timer with a key"),
                (ENOENT, "the timer has ended already (ENOENT)"),
                (ESHUTDOWN, "no timer can be started any more (ESHUTDOWN): the port stops, or the worker leaves it"),
            ] + ofConnection)
        + of(
            .peerAddress,
            [
                (EBUSY, "the completion queue is too full to ask now (EBUSY): ask after the next wait"),
                (EAGAIN, "the kernel is too short of memory to answer now (EAGAIN): ask after the next wait"),
                (EOPNOTSUPP, "this kernel cannot answer (EOPNOTSUPP): ring socket commands need Linux 6.7"),
                (
                    EAFNOSUPPORT,
                    "this kind of connection has none (EAFNOSUPPORT): peers of Unix sockets have credentials, others an "
                        + "IP address"
                ),
            ] + ofConnection)
        + of(
            .localAddress,
            [
                (EBUSY, "the completion queue is too full to ask now (EBUSY): ask after the next wait"),
                (EAGAIN, "the kernel is too short of memory to answer now (EAGAIN): ask after the next wait"),
                (EOPNOTSUPP, "this kernel cannot answer (EOPNOTSUPP): it takes Linux 6.8, or the epoll driver"),
                (
                    EMFILE,
                    "no file descriptor is left to ask with (EMFILE): io_uring needs one for as long as the question "
                        + "takes: raise the limit (ulimit -n)"
                ),
            ] + ofConnection)
        + of(
            .socketOption,
            [
                (
                    EINVAL,
                    "the socket does not take this value (EINVAL): it is out of the option's range, or SO_LINGER"
                ),
                (
                    ENOPROTOOPT,
                    "the socket has no such option (ENOPROTOOPT): it is of another kind, or the kernel is older"
                ),
                (
                    EOPNOTSUPP,
                    "the socket cannot be asked (EOPNOTSUPP): it is of another kind, or the ring needs Linux 6.8: ask "
                        + "TCP connections only, or use the epoll driver"
                ),
                (
                    EPERM,
                    "this is not permitted (EPERM): the option needs a capability, or this is another thread than the "
                        + "worker's: see capabilities(7)"
                ),
                (EBUSY, "the completion queue is too full to ask now (EBUSY): ask after the next wait"),
                (EAGAIN, "the kernel is too short of memory to answer now (EAGAIN): ask after the next wait"),
                (
                    EMFILE,
                    "no file descriptor is left to ask with (EMFILE): io_uring needs one for as long as the question "
                        + "takes: raise the limit (ulimit -n)"
                ),
                (ENOTCONN, closed), (EXDEV, foreign),
            ])
        + of(
            .upstream,
            [
                (EINVAL, "the pool's limits are out of order (EINVAL): DETAIL"),
                (
                    ENOBUFS,
                    "too many wait for a connection (ENOBUFS): all of the pool's are lent: raise maximum or waiting, "
                        + "or give connections back sooner"
                ),
                (ETIMEDOUT, "no connection came in time (ETIMEDOUT): all of the pool's are lent"),
                (ESHUTDOWN, "the pool is closed (ESHUTDOWN)"),
            ])
        + of(
            .inquiry,
            ofConnection.filter { $0.0 != EPERM } + [
                (EALREADY, "an async body serves the connection already (EALREADY)"),
                (ENXIO, "the worker is not open (ENXIO): DETAIL: wait until it has begun"),
                (EINVAL, "there is no such worker (EINVAL): DETAIL"),
                (
                    ENOSYS,
                    "the pages cannot be looked up (ENOSYS): move_pages(2) is refused here: allow it in the seccomp "
                        + "profile"
                ),
            ])
        + of(
            .transport,
            [
                (ECONNRESET, "the peer reset the connection (ECONNRESET)"),
                (EPIPE, "the peer closed the connection while bytes were on their way to it (EPIPE)"),
                (ETIMEDOUT, "the peer vanished (ETIMEDOUT): it acknowledged nothing for as long as TCP tries"),
                (EHOSTUNREACH, "the peer cannot be reached any more (EHOSTUNREACH): the network broke"),
                (ENOTCONN, "the connection ended before it could be used (ENOTCONN)"),
                (EIO, "the connection failed (EIO): Input/output error"),
            ])
        + of(
            .stats,
            [
                (ESRCH, "there is no such process (ESRCH): DETAIL"),
                (ENOENT, "no completion port is there (ENOENT): DETAIL: name a process that runs one"),
                (EACCES, "the stats page cannot be read (EACCES): DETAIL: run as that user or as root"),
                (
                    EPROTO,
                    "what is there is no stats page of this version (EPROTO): DETAIL: use the iocp of the same version"
                ),
                (
                    EINVAL,
                    "this is no counter's name (EINVAL): DETAIL: take 1 to 31 lower-case letters, digits and '_'"
                ),
                (EEXIST, "the name has another kind (EEXIST): DETAIL: ask for the counter or the gauge that it is"),
                (
                    ENOSPC,
                    "the port has 64 counters of the application's already (ENOSPC): DETAIL: use one for several things"
                ),
            ])
        + of(
            .topic,
            [
                (
                    EAGAIN,
                    "the message was published to nobody (EAGAIN): DETAIL: publish again later, or raise queueLimit or "
                        + "mailboxEntries"
                )
            ] + ofConnection)
        + of(
            .security,
            [
                (
                    ETIMEDOUT,
                    "the TLS handshake did not end in time (ETIMEDOUT): the peer is slow or silent, or does not speak TLS: "
                        + "raise handshakeTimeout if such peers are to be served"
                ),
                (
                    ECONNRESET,
                    "the peer went away in the TLS handshake (ECONNRESET): it was only looking, or did not like what it was "
                        + "shown"
                ),
                (
                    EBADMSG,
                    "the TLS stream was cut (EBADMSG): FIN came without close_notify: what the peer sent may not be "
                        + "complete"
                ),
                (
                    ENOBUFS,
                    "there was no room for a TLS handshake (ENOBUFS): too many were going on, or memory is short: raise "
                        + "handshakesMax, or limit accepts with acceptsPerSecond"
                ),
                (ENOTCONN, "the connection has no TLS (ENOTCONN): it is in the clear, or is closed"),
                (EINVAL, "TLS cannot be set up so (EINVAL): DETAIL"),
                (EPROTO, "TLS failed (EPROTO): DETAIL"),
            ])
        + of(
            .framing,
            [
                (
                    EMSGSIZE,
                    "the peer's frame is too large (EMSGSIZE): DETAIL: raise the framing's maximum if such frames are "
                        + "meant"
                ),
                (ENODATA, "the peer finished too early (ENODATA): DETAIL"),
                (
                    EBADMSG,
                    "the peer's bytes are no frame (EBADMSG): DETAIL: check that both ends use the same framing"
                ),
                (
                    EPROTO,
                    "the framing contradicts itself (EPROTO): its search named a frame outside of the bytes that it "
                        + "was given: mend the search of the framing"
                ),
                (
                    EOVERFLOW,
                    "the payload does not fit the length prefix (EOVERFLOW): DETAIL: use a wider prefix, or send it in "
                        + "parts"
                ),
            ])
        + of(
            .offload,
            [
                (
                    ENOBUFS,
                    "the queue for blocking work is full (ENOBUFS): every thread of the pool is busy, and as much waits as may: "
                        + "offload again later, or raise offloadQueueEntries or offloadThreads"
                ),
                (
                    EAGAIN,
                    "no thread can be started for blocking work (EAGAIN): this user or cgroup has as many as it may: raise the "
                        + "limit (ulimit -u, pids.max of the cgroup)"
                ),
                (ECANCELED, "the blocking work was given up (ECANCELED): DETAIL"),
                (ETIMEDOUT, "the blocking work did not end in time (ETIMEDOUT): DETAIL"),
                (ESHUTDOWN, "no blocking work is taken any more (ESHUTDOWN): DETAIL"),
            ] + ofConnection)
        + of(
            .move,
            [
                (
                    EINVAL,
                    "there is no such worker (EINVAL): DETAIL: workers count from 0 to workerCount - 1"
                ),
                (
                    EBUSY,
                    "the connection has to stay with its worker now (EBUSY): DETAIL: move it when that is over"
                ),
                (EOPNOTSUPP, "the connection cannot move (EOPNOTSUPP): DETAIL"),
                (
                    EAGAIN,
                    "the connection cannot move right now (EAGAIN): DETAIL: move it later"
                ),
                (
                    EALREADY,
                    "the connection is on its way to a worker (EALREADY): move it again after its migrated"
                ),
                (ESHUTDOWN, "no connection moves any more (ESHUTDOWN): one of the two workers stops"),
            ] + ofConnection)
        + of(
            .adopt,
            [
                (EBADF, "the descriptor is not open (EBADF)"),
                (ENOTSOCK, "the descriptor is no socket (ENOTSOCK)"),
                (EPROTOTYPE, "the socket is no stream (EPROTOTYPE): only stream sockets have connections"),
                (
                    ENOTCONN,
                    "the socket is not connected (ENOTCONN): connect it first, or use connect(to:)"
                ),
                (EAFNOSUPPORT, "the socket is neither of IP nor of Unix (EAFNOSUPPORT)"),
            ])
        + of(
            .application,
            [
                (EAGAIN, "Resource temporarily unavailable (EAGAIN)"),
                (EIO, "the application's own error (EIO): DETAIL"),
            ])

    /// The sentence that is due for an error, or nil when the table has none.
    static func due(_ error: IOCPError) -> String? {
        let candidates = all.filter { $0.operation == error.operation && $0.code == error.code }
        guard let best = candidates.first(where: { $0.hasDetail == (error.detail != nil) }) ?? candidates.first else {
            return nil
        }
        guard let detail = error.detail, let place = best.text.firstRange(of: "DETAIL") else { return best.text }
        return best.text[..<place.lowerBound] + detail + best.text[place.upperBound...]
    }
}

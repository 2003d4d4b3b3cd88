import Glibc

/// Every errno that the drivers and the worker treat in a way of its own, by the operation that ends with it; those
/// that are treated alike stand together, and each table has some that fall to the default. `FaultTableTests` reads
/// the core and asks for what is missing.
enum Errors {
    /// An accept that ends for nothing: it is armed again at once.
    static let acceptAgain = errors(ECANCELED, ECONNABORTED, EINTR, EAGAIN)
    /// An accept that cannot go on: its clients stay in the backlog, and it is armed again later.
    static let acceptLater = errors(EMFILE, ENFILE, ENOBUFS, ENOMEM, EPERM, EPROTO, ENETDOWN, EIO)

    static let socket = errors(EMFILE, ENFILE, ENOBUFS, ENOMEM, EACCES, EAFNOSUPPORT)
    static let bind = errors(EADDRINUSE, EADDRNOTAVAIL, EACCES)
    /// The table of direct descriptors (uring), or the set of descriptors (epoll).
    static let place = errors(ENFILE, EMFILE, ENOMEM, ENOSPC)
    /// A socket that cannot be placed now, and later perhaps.
    static let placeLater = errors(EAGAIN, EBUSY)
    /// A socket that cannot be packed for another worker now, and later perhaps.
    static let packLater = errors(EBUSY, EAGAIN, EMFILE)
    static let connect = errors(
        ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, EADDRNOTAVAIL, ECANCELED, EINTR, EAGAIN, EACCES,
        EPERM, ENOMEM)

    /// A receive that ends for nothing.
    static let receiveAgain = errors(ECANCELED, EAGAIN, EINTR)
    static let noBuffer = errors(ENOBUFS)

    /// A send that took nothing: it waits for room.
    static let sendAgain = errors(EAGAIN, EINTR, ECANCELED, ENOBUFS, ENOMEM)

    /// Of those, a kernel short of memory: room in the socket says nothing about that.
    static let noMemory = errors(ENOBUFS, ENOMEM)

    /// The peer reset, or is out of reach.
    static let reset = errors(ECONNRESET, EPIPE, ETIMEDOUT, EHOSTUNREACH, ENETUNREACH, ENETDOWN, ENOTCONN)
    /// The transport failed in another way.
    static let failed = errors(EIO, EBADF, EINVAL, EFAULT, EPERM, EACCES, ENOTSOCK)

    static let cancel = errors(ENOENT, EALREADY, EINVAL)
    static let close = errors(EINTR, EIO, EBADF, ENXIO)
    static let peer = errors(ENOTCONN, ENOBUFS, EINVAL, EOPNOTSUPP)
    /// A question that is not answered now.
    static let peerLater = errors(EBUSY, EAGAIN)
    /// A question about progress that is put again soon; after any other, what the socket took has to do.
    static let askAgain = errors(EBUSY, EAGAIN)
    static let wake = errors(EINTR, EAGAIN, ECANCELED)

    /// Waits that go on.
    static let enterAgain = errors(ETIME, EAGAIN, EBUSY)
    static let waitInterrupted = errors(EINTR)
    /// Waits after which nothing can be relied on.
    static let enterFatal = errors(EBADR, EBADF, EBADFD, EFAULT, EINVAL, EOPNOTSUPP, EOWNERDEAD, ENXIO, EIO, ENOMEM)
    /// What a ring answers to a thread that is not its own.
    static let foreignThread = errors(EEXIST)
    static let epollFatal = errors(EBADF, EINVAL, EFAULT)

    static let listen = errors(EADDRINUSE, EADDRNOTAVAIL, EACCES, EMFILE)
    /// Opening a listening socket to readiness: refused by the set.
    static let watch = errors(ENOMEM, ENOSPC)

    /// Opening a ring: EINVAL says that a flag is not known, and the next older flags are tried.
    static let ring = errors(EINVAL, EPERM, ENOMEM, EMFILE)
    /// What a locked-down ring answers to a forbidden operation.
    static let forbidden = errors(EACCES)

    private static func errors(_ codes: Int32...) -> [Errno] { codes.map(Errno.init) }
}

extension IOCPError {
    /// What failed: a call, a step of opening a port, or the transport under a connection.
    ///
    /// The same error number means different things to different calls, so an error carries the call it came from.
    public enum Operation: UInt8, Hashable, Sendable, CaseIterable {
        /// The application's own code: an error made with ``IOCPError/init(code:operation:detail:)``.
        case application = 0

        // Steps of opening a port and its workers; the numbers are those of the core's `iocp_stage`.

        /// A field of ``PortConfiguration`` is out of bounds, or this process may not have as much.
        case configuration = 1
        /// Reserving memory.
        case memory = 2
        /// Opening a ring (`io_uring_setup(2)`).
        case ring = 3
        /// The ring's table of direct descriptors.
        case ringFiles = 4
        /// The ring's receive buffers.
        case ringBuffers = 5
        /// Locking the ring down.
        case ringLockdown = 6
        /// Opening epoll.
        case epoll = 7
        /// Starting or pinning a worker's thread.
        case thread = 8
        /// Making a stats page, or reading one.
        case stats = 9
        /// ``CompletionPort/listen(host:port:options:)``.
        case listen = 10
        /// Busy polling of the network card.
        case busyPoll = 12
        /// ``CompletionPort/listen(unix:options:)``, or the name given to it.
        case listenUnix = 13

        // Calls.

        /// ``CompletionPort/attachWorker()``, or starting a worker on a thread of the port's own.
        case attach = 32
        /// ``Worker/wait(into:timeout:)``.
        case wait = 33
        /// ``CompletionPort/post(_:toWorker:)-(UInt64,_)`` and its like.
        case post = 34
        /// Finding the address of a host.
        case resolve = 35
        /// ``Worker/connect(to:from:key:timeout:security:)-(SocketAddress,_,_,_,_)``, refused at the call or failed later.
        case connect = 36
        /// Sending bytes of any kind.
        case send = 37
        /// `notifyWhenSent`, refused at the call; or its `sent` event when the connection ended first.
        case notifyWhenSent = 38
        /// Pausing or resuming a receive.
        case receive = 39
        /// Closing, aborting, or finishing to send.
        case close = 40
        /// Starting or cancelling a timer; or its event when it did not fire.
        case timer = 41
        /// ``ConnectionContext/peerAddress()``.
        case peerAddress = 42
        /// Asking or setting what only this library keeps: keys, counters, memory.
        case inquiry = 43
        /// Nothing was called: the transport ended the connection. Carried by a ``CloseReason``.
        case transport = 44
        /// `notifyWhenUnsent`, refused at the call; or its `unsentFell` event when the connection ended first.
        case notifyWhenUnsent = 45
        /// Giving a connection watermarks of its own.
        case setWatermarks = 46
        /// ``ConnectionContext/localAddress()``.
        case localAddress = 47
        /// Giving a connection timeouts of its own.
        case setTimeouts = 48
        /// ``ConnectionContext/option(_:)``, ``ConnectionContext/setOption(_:to:)`` and ``ConnectionContext/info()``.
        case socketOption = 49
        /// Taking a connection of an ``UpstreamPool``, or making one.
        case upstream = 50
        /// Subscribing to a ``Topic``, or publishing.
        case topic = 51

        /// What secures a connection: setting it up, or a handshake or record that was refused. An error of a connection has
        /// the code ETIMEDOUT (the handshake did not end in time), ECONNRESET (the peer went away in it), EBADMSG (FIN came
        /// before the peer had said that it has finished), ENOBUFS (too many handshakes at a time), or EPROTO with what
        /// was wrong as the detail.
        case security = 52

        /// ``Worker/adopt(descriptor:key:security:)``.
        case adopt = 53
        /// ``IocpContext/offload(_:then:)`` and its like, refused at the call; or what became of the work where it has no result.
        case offload = 54

        /// ``IocpContext/move(to:)``.
        case move = 55

        // Steps above the calls.

        /// Cutting received bytes into frames, or making one: see ``FramingError``.
        case framing = 64
    }
}

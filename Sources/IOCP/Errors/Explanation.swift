#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What an error means to the person who meets it: what failed, its likely cause, and what helps.
///
/// One function for each operation, since the same error number means different things to different calls. Where two
/// causes cannot be told apart, both are said.
struct Explanation {
    let summary: String
    let cause: String?
    let remedy: String?

    init(_ summary: String, _ cause: String? = nil, _ remedy: String? = nil) {
        (self.summary, self.cause, self.remedy) = (summary, cause, remedy)
    }

    init(_ error: IOCPError) {
        self = Explanation.particular(error) ?? Explanation.ofAnyCall(error) ?? .unknown(error)
    }

    /// What this operation says of this error number.
    private static func particular(_ error: IOCPError) -> Explanation? {
        switch error.operation {
        case .application: application(error)
        case .configuration: configuration(error)
        case .memory: memory(error)
        case .ring: ring(error)
        case .ringFiles: ringFiles
        case .ringBuffers: ringBuffers
        case .ringLockdown: ringLockdown(error)
        case .epoll: epoll
        case .thread: thread(error)
        case .stats: stats(error)
        case .listen: listen(error)
        case .busyPoll: busyPoll
        case .listenUnix: listenUnix(error)
        case .attach: attach(error)
        case .wait: wait(error)
        case .post: post(error)
        case .resolve: resolve(error)
        case .connect: connect(error)
        case .send: send(error)
        case .notifyWhenSent: notifyWhenSent(error)
        case .receive: receive(error)
        case .close: close(error)
        case .timer: timer(error)
        case .peerAddress: peerAddress(error)
        case .localAddress: localAddress(error)
        case .inquiry: inquiry(error)
        case .transport: transport(error)
        case .notifyWhenUnsent: notifyWhenUnsent(error)
        case .setWatermarks: setWatermarks(error)
        case .setTimeouts: setTimeouts(error)
        case .socketOption: socketOption(error)
        case .upstream: upstream(error)
        case .topic: topic(error)
        case .security: security(error)
        case .adopt: adopt(error)
        case .offload: offload(error)
        case .move: move(error)
        case .framing: framing(error)
        }
    }

    /// An error of another type, which ``IOCPError/init(wrapping:)`` took.
    private static func application(_ error: IOCPError) -> Explanation? {
        error.code == EIO && error.detail != nil ? Explanation("the application's own error", error.detail) : nil
    }

    /// What means the same to every call that meets it.
    private static func ofAnyCall(_ error: IOCPError) -> Explanation? {
        guard error.operation != .application else { return nil }
        return switch error.code {
        case EMFILE:
            Explanation("no file descriptor is left", "the process is at its limit", "raise it (ulimit -n)")
        case ENFILE:
            Explanation("no file descriptor is left", "the machine is at its limit", "raise the sysctl fs.file-max")
        case ENOMEM: Explanation("no memory is left", "the machine or its cgroup is out of memory")
        case ESHUTDOWN: Explanation("the port has stopped")
        default: nil
        }
    }

    /// The system's own words.
    private static func unknown(_ error: IOCPError) -> Explanation {
        let words = unsafe String(cString: strerror(error.code))
        guard let verb = error.operation.verb else { return Explanation(words, error.detail) }
        return Explanation("\(verb) failed", words, error.detail)
    }
}

extension IOCPError.Operation {
    /// What was being done, for an error that has no sentence of its own.
    fileprivate var verb: String? {
        switch self {
        case .application: nil
        case .configuration: "configuring"
        case .memory: "reserving memory"
        case .ring, .ringFiles, .ringBuffers, .ringLockdown: "opening the ring"
        case .epoll: "opening epoll"
        case .thread: "starting a worker's thread"
        case .stats: "opening the stats page"
        case .listen: "listening"
        case .listenUnix: "listening on a Unix socket"
        case .busyPoll: "busy polling"
        case .attach: "opening a worker"
        case .wait: "waiting for completions"
        case .post: "posting"
        case .resolve: "resolving the host"
        case .connect: "connecting"
        case .send: "sending"
        case .notifyWhenSent: "sending what was queued"
        case .receive: "pausing or resuming to receive"
        case .close: "closing"
        case .timer: "the timer"
        case .peerAddress: "asking for the peer's address"
        case .localAddress: "asking for the local address"
        case .inquiry: "the inquiry"
        case .transport: "the connection"
        case .notifyWhenUnsent: "waiting for few unsent bytes"
        case .setWatermarks: "setting watermarks"
        case .setTimeouts: "setting timeouts"
        case .socketOption: "the socket option"
        case .upstream: "taking a connection"
        case .topic: "the topic"
        case .adopt: "taking over the socket"
        case .offload: "the blocking work"
        case .move: "moving the connection"
        case .security: "TLS"
        case .framing: "cutting frames"
        }
    }
}

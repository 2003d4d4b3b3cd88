import CIOCP
import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// A client of a ``SideServer``: its socket, and how far it has come. It does not block.
protocol SideClient: SendableMetatype {
    /// What to wait for.
    var interest: pollfd { get }

    /// Goes on as far as it can without waiting.
    /// - Returns: whether the client stays.
    mutating func advance(isReady: Bool, at now: UInt64) -> Bool

    /// Closes its socket.
    func end()
}

/// Listens beside the workers: one thread waits for clients, and moves each one on as far as it goes without waiting. It serves at
/// most 16 at a time, of which the oldest is cut for a new one.
///
/// It ends when it is closed or released, and when `isOver` says so.
final class SideServer: Sendable {
    /// What is listened on, with the TCP port that was chosen.
    let endpoint: Endpoint
    /// This end of a pair of sockets, until it is closed. The thread ends when it sees the end of its own, and closes that last.
    private let control: Mutex<Int32?>

    /// - Parameters:
    ///   - permissions: of a path, as 0o600; 0 leaves them to the umask.
    ///   - isOver: asked now and then by the thread.
    ///   - makeClient: of an accepted socket, on the thread; the time is the monotonic clock's.
    init<Client: SideClient>(
        on wanted: Endpoint, permissions: UInt16 = 0, isOver: @escaping @Sendable () -> Bool,
        makeClient: @escaping @Sendable (Int32, UInt64) -> Client
    ) throws(IOCPError) {
        var operation = IOCPError.Operation.listen
        if case .unix = wanted { operation = .listenUnix }
        var listener = iocp_side_listener()
        var raw = wanted.raw
        let bound = unsafe iocp_side_listen(&raw, permissions, &listener)
        guard bound == 0 else { throw IOCPError(code: bound, operation: operation, detail: "\(wanted)") }
        endpoint = Endpoint(raw: listener.endpoint)
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        guard unsafe socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            let code = errno
            unsafe iocp_side_close(&listener)
            throw IOCPError(code: code, operation: operation, detail: "\(wanted)")
        }
        control = Mutex(ends[0])
        let loop = SideLoop(listener: listener, control: ends[1], isOver: isOver, makeClient: makeClient)
        let result = SideThread.start { loop.run() }
        guard result == 0 else {
            unsafe iocp_side_close(&listener)
            for end in ends { close(end) }
            control.withLock { $0 = nil }
            throw IOCPError(code: result, operation: .thread, detail: "a thread that listens on \(wanted)")
        }
    }

    deinit { end() }

    /// Stops listening: when it returns, the address is free and the thread has done its last. Calling it again changes nothing.
    func end() {
        control.withLock { control in
            guard let descriptor = control else { return }
            shutdown(descriptor, Int32(SHUT_WR))
            var byte: UInt8 = 0
            while unsafe recv(descriptor, &byte, 1, 0) < 0, errno == EINTR {}
            close(descriptor)
            control = nil
        }
    }
}

/// What the thread of a ``SideServer`` does.
private struct SideLoop<Client: SideClient>: Sendable {
    let listener: iocp_side_listener
    /// Closed from the other side, it ends the thread. This side is closed last of all, which tells the other one.
    let control: Int32
    let isOver: @Sendable () -> Bool
    let makeClient: @Sendable (Int32, UInt64) -> Client

    private static var clientsMax: Int { 16 }

    func run() {
        var clients: [Client] = []
        /// After an accept that failed for want of descriptors, until when nobody is accepted.
        var acceptsFrom: UInt64 = 0
        while !isOver() {
            let start = iocp_monotonic_ns()
            let isOpen = start >= acceptsFrom
            var entries = [
                pollfd(fd: control, events: Int16(POLLIN), revents: 0),
                pollfd(fd: isOpen ? listener.fd : -1, events: Int16(POLLIN), revents: 0),
            ]
            entries += clients.map(\.interest)
            unsafe poll(&entries, nfds_t(entries.count), isOpen && clients.isEmpty ? 1_000 : 100)
            if entries[0].revents != 0 { break }
            let now = iocp_monotonic_ns()
            for place in clients.indices.reversed() {
                let isReady = entries[place + 2].revents != 0
                if !clients[place].advance(isReady: isReady, at: now) { clients.remove(at: place).end() }
            }
            if entries[1].revents != 0, !take(into: &clients, at: now) { acceptsFrom = now + 100_000_000 }
        }
        for client in clients { client.end() }
        var listener = self.listener
        unsafe iocp_side_close(&listener)
        close(control)
    }

    /// - Returns: whether accepting works.
    private func take(into clients: inout [Client], at now: UInt64) -> Bool {
        // As many at a time as there is room for, so that those that wait cannot keep the others from going on.
        for _ in 0..<Self.clientsMax {
            let descriptor = accept(listener.fd, nil, nil)
            if descriptor < 0 {
                return ![EMFILE, ENFILE, ENOMEM, ENOBUFS].contains(errno)
            }
            // accept4(2), which Swift does not see, would do both at once. A program that another thread executes in between
            // has the socket as well; the answer's end is a shutdown, so the client sees it all the same.
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            // A client that says nothing cannot keep out one that asks: the oldest goes.
            if clients.count == Self.clientsMax { clients.removeFirst().end() }
            clients.append(makeClient(descriptor, now))
        }
        return true
    }
}

import CIOCP

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// The thread of a ``MetricsEndpoint``: waits for clients, and moves each one on as far as it goes without waiting.
final class MetricsServer: Sendable {
    private let listener: Int32
    /// Closed from the other side, it ends the thread. This side is closed last of all, which tells the other one.
    private let control: Int32
    private let source: MetricsSource

    static let clientsMax = 16

    /// The thread closes both descriptors.
    init(listener: Int32, control: Int32, source: MetricsSource) {
        (self.listener, self.control, self.source) = (listener, control, source)
    }

    /// - Returns: 0, or the error number; then nothing was closed.
    func start() -> Int32 {
        var thread = pthread_t()
        var (all, before) = (sigset_t(), sigset_t())
        unsafe sigfillset(&all)
        // The application's signals are for its own threads. A thread inherits the mask.
        unsafe pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
        Worker.unbindThread()
        let server = unsafe Unmanaged.passRetained(self)
        let result = unsafe pthread_create(&thread, nil, MetricsServer.enter, server.toOpaque())
        if result == 0 { pthread_detach(thread) } else { unsafe server.release() }
        return result
    }

    /// Not a closure: one written in main-actor code would check for the main thread, and trap here.
    private static let enter: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { server in
        guard let server = unsafe server else { return nil }
        unsafe Unmanaged<MetricsServer>.fromOpaque(server).takeRetainedValue().run()
        return nil
    }

    private func run() {
        var clients: [MetricsClient] = []
        /// After an accept that failed for want of descriptors, until when nobody is accepted.
        var acceptsFrom: UInt64 = 0
        while !source.isOver() {
            let start = iocp_monotonic_ns()
            let isOpen = start >= acceptsFrom
            var entries = [
                pollfd(fd: control, events: Int16(POLLIN), revents: 0),
                pollfd(fd: isOpen ? listener : -1, events: Int16(POLLIN), revents: 0),
            ]
            entries += clients.map(\.interest)
            unsafe poll(&entries, nfds_t(entries.count), isOpen && clients.isEmpty ? 1_000 : 100)
            if entries[0].revents != 0 { break }
            let now = iocp_monotonic_ns()
            for place in clients.indices.reversed() {
                let isReady = entries[place + 2].revents != 0
                if !clients[place].advance(isReady: isReady, at: now, source) { clients.remove(at: place).end() }
            }
            if entries[1].revents != 0, !take(into: &clients, at: now) { acceptsFrom = now + 100_000_000 }
        }
        for client in clients { client.end() }
        close(listener)
        close(control)
    }

    /// - Returns: whether accepting works.
    private func take(into clients: inout [MetricsClient], at now: UInt64) -> Bool {
        // As many at a time as there is room for, so that those that wait cannot keep the others from going on.
        for _ in 0..<MetricsServer.clientsMax {
            let descriptor = accept(listener, nil, nil)
            if descriptor < 0 {
                return ![EMFILE, ENFILE, ENOMEM, ENOBUFS].contains(errno)
            }
            // accept4(2), which Swift does not see, would do both at once. A program that another thread executes in between
            // has the socket as well; the answer's end is a shutdown, so the client sees it all the same.
            _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
            _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
            // A client that says nothing cannot keep out one that asks: the oldest goes.
            if clients.count == MetricsServer.clientsMax { clients.removeFirst().end() }
            clients.append(MetricsClient(descriptor, acceptedAt: now))
        }
        return true
    }
}

/// The admin socket of a port: a Unix socket at which `iocp connections` and `iocp capture` ask what connections there are, end
/// some of them, and read along.
///
/// Whoever may connect can read every byte that the connections carry, behind TLS in the clear. So its file has the mode 0600,
/// and besides each client's user is asked of the kernel: only this process' own user and root are served. There is none unless
/// it is asked for.
///
/// It has threads of its own. A worker answers itself, between two batches of completions, a bounded slice at a time, and one
/// whose handler stalls is said not to have answered. At most 16 clients ask, and 8 are answered, at a time.
///
/// It ends when it is closed or released, when the port is released, and once the port has stopped and every worker has ended.
public final class AdminEndpoint: Sendable {
    /// Where it listens.
    public let address: UnixAddress
    private let server: SideServer
    private let desk: AdminDesk

    fileprivate init(_ address: UnixAddress, of port: CompletionPort) throws(IOCPError) {
        self.address = address
        let desk = AdminDesk(port)
        self.desk = desk
        server = try SideServer(
            on: .unix(address), permissions: 0o600, isOver: { [weak port] in port?.hasEnded ?? true },
            makeClient: { descriptor, now in AdminClient(descriptor, acceptedAt: now, desk) })
    }

    deinit { close() }

    /// Stops listening, and removes the path; answers that are under way end shortly afterwards. Calling it again changes
    /// nothing.
    public func close() {
        desk.close()
        server.end()
    }
}

extension CompletionPort {
    /// Opens an admin socket until the returned value is closed or released: see ``AdminEndpoint``.
    /// - Parameter address: a path gets the mode 0600 before anybody can connect; a stale one is replaced. An abstract name has no
    ///   mode, so there the client's user alone is checked.
    /// - Throws: EADDRINUSE when a server listens there, or the path is a file and no socket; ENOENT or EACCES for a folder that
    ///   is not there or may not be written; EAGAIN when no thread can be started.
    public func serveAdmin(at address: UnixAddress) throws(IOCPError) -> AdminEndpoint {
        try AdminEndpoint(address, of: self)
    }
}

import CIOCP

extension CompletionPort {
    /// Listens on every open worker; connections are spread over them by the kernel (SO_REUSEPORT).
    ///
    /// A worker that attaches later joins, one that leaves takes its sockets along. While none is open, the address is
    /// kept from other servers and clients are refused.
    ///
    /// The kernel does not ask whether a worker is busy: while a handler stalls, its worker's share of the new clients waits
    /// in that worker's backlog, and no other worker takes them.
    ///
    /// A name is listened on at every address it has, or at none: "localhost" may be `::1` and `127.0.0.1`.
    ///
    /// A port in use is tried again for half a second, which blocks: a killed server on io_uring may hold it for some 20 ms
    /// after its process is gone, and be started again at once.
    /// - Parameters:
    ///   - host: a numeric address or a name (resolving may block).
    ///   - port: 0...65535; 0 takes one that is free at every address.
    /// - Returns: one listener for all addresses. ``Listener/address`` has the port that was chosen.
    /// - Throws: EADDRINUSE when another socket listens there, ENOSPC beyond 64 endpoints, ERANGE for an option out of its
    ///   bounds, what ``SocketAddress/all(host:port:)`` throws, or what the system refused.
    @discardableResult
    public func listen(host: String, port: Int, options: ListenOptions = ListenOptions()) throws(IOCPError) -> Listener
    {
        let wanted = try SocketAddress.all(host: host, port: port)
        return try listen(on: wanted.map(Endpoint.tcp), options)
    }

    /// Listens on a Unix socket. It is one for all workers, which accept from it in turn.
    ///
    /// Clients are refused until the first worker attaches. Afterwards the socket listens as long as a worker is open or still
    /// to attach: while all that attached have left, clients connect and wait for the next one, and their connections end
    /// without a word if the port stops before.
    ///
    /// A path that a server left behind is replaced if nobody listens there any more, and removed when listening ends,
    /// unless another server took it over meanwhile. One whose server was killed a moment ago is waited for, half a second at
    /// most.
    /// - Throws: EADDRINUSE when a server listens there, or the path is a file and no socket; ENOENT or EACCES for a folder
    ///   that is not there or may not be written; ERANGE for an option out of its bounds.
    @discardableResult
    public func listen(unix address: UnixAddress, options: ListenOptions = ListenOptions()) throws(IOCPError)
        -> Listener
    {
        try listen(on: [.unix(address)], options)
    }

    /// Listens on one endpoint of any kind: an address as ``listen(host:port:options:)`` does, the name of a Unix socket as
    /// ``listen(unix:options:)``.
    @discardableResult
    public func listen(on endpoint: Endpoint, options: ListenOptions = ListenOptions()) throws(IOCPError) -> Listener {
        try listen(on: [endpoint], options)
    }

    /// Listens on a stream socket that another process has bound, as systemd does (sd_listen_fds(3)); it may listen
    /// already. The descriptor stays yours, and may be closed. The socket becomes non-blocking.
    /// - Returns: a listener whose ``Listener/endpoint`` tells what it is bound to.
    /// - Throws: EBADF or ENOTSOCK for a descriptor that is no socket, EPROTOTYPE for one of another type.
    @discardableResult
    public func listen(onDescriptor descriptor: Int32, options: ListenOptions = ListenOptions()) throws(IOCPError)
        -> Listener
    {
        var raw = unsafe try options.raw()
        let known = try knownListeners.add { () throws(IOCPError) in
            var bound = iocp_endpoint()
            var id: iocp_listener_id = 0
            var failure = unsafe iocp_failure()
            guard unsafe iocp_port_listen_inherited(self.raw, descriptor, &raw, &bound, &id, &failure) >= 0 else {
                throw unsafe IOCPError(failure, .listen)
            }
            return KnownListener(id: id, endpoints: [Endpoint(raw: bound)])
        }
        return Listener(completionPort: self, known: known)
    }

    private func listen(on endpoints: [Endpoint], _ options: ListenOptions) throws(IOCPError) -> Listener {
        var raw = unsafe try options.raw()
        var wanted = endpoints.map(\.raw)
        let known = try knownListeners.add { () throws(IOCPError) in
            var bound = wanted
            var id: iocp_listener_id = 0
            var failure = unsafe iocp_failure()
            let result = unsafe iocp_port_listen_on(
                self.raw, &wanted, UInt32(wanted.count), &raw, &bound, &id, &failure)
            guard result >= 0 else { throw unsafe IOCPError(failure, .listen) }
            return KnownListener(id: id, endpoints: bound.map(Endpoint.init(raw:)))
        }
        return Listener(completionPort: self, known: known)
    }

    /// What the port listens on, those included that pause; none once the port stops.
    public var listeners: [Listener] {
        var ids: [iocp_listener_id] = []
        var endpoint = iocp_endpoint()
        var id: iocp_listener_id = 0
        var place: Int32 = -1
        while true {
            place = unsafe iocp_port_listening(raw, UInt32(place + 1), &endpoint, &id)
            guard place >= 0 else { return ids.compactMap { listener(Listener.ID(name: iocp_listener_short($0))) } }
            if !ids.contains(id) { ids.append(id) }
        }
    }

    /// The listener of a name, as ``Completion/listener`` has it, also if it is closed. nil for the name of another port's.
    public func listener(_ id: Listener.ID) -> Listener? {
        knownListeners[id.name].map { Listener(completionPort: self, known: $0) }
    }

    /// Closes every listener, and goes on serving the connections that are open: see ``Listener/close()``.
    ///
    /// When it returns, new clients are refused, even where a worker's handler stalls. Clients that wait in a backlog are
    /// reset, unless the sysctl `net.ipv4.tcp_migrate_req` hands them on; one that was accepted already still opens.
    /// Calling it again changes nothing, and ``listen(host:port:options:)`` may listen again, on the same address too.
    /// May be called from a handler.
    public func stopListening() {
        unsafe iocp_port_stop_listening(raw)
    }
}

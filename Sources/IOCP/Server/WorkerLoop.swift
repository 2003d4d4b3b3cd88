import CIOCP

#if canImport(Glibc)
public import Glibc
#elseif canImport(Musl)
public import Musl
#endif

extension Worker {
    /// Runs a handler on this worker until the port stops, or the worker's driver fails.
    ///
    /// Inlinable so that it is specialised for the handler in the caller's module: on the message path no witness
    /// table, no retain and no allocation is left.
    /// - Throws: what ``ConnectionHandler/started(on:)`` throws; then nothing was run. EPERM on another thread than the
    ///   worker's, ESHUTDOWN once it has ended, EDEADLK from a handler of this worker, EBUSY when completions were taken
    ///   with ``wait(into:timeout:)`` before. Or what the driver failed with, after every
    ///   connection was closed with it: ENOMEM or EBADR where the kernel ran out of memory.
    @inlinable
    public func run<Handler: ConnectionHandler>(_ handler: inout Handler) throws(IOCPError) {
        try beginRun()
        defer { endRun() }
        let batchCapacity = port.completionsPerWait
        var pool = ConnectionPool<Handler.State>(worker: self)
        let batch = UnsafeMutablePointer<iocp_completion>.allocate(capacity: Int(batchCapacity))
        defer { unsafe batch.deallocate() }
        try handler.started(on: self)
        takePartInMoves(Handler.self)
        let watch = unsafe iocp_worker_turn_watch(raw)!
        while true {
            let isBusy = executor.hasJobs || offloads.hasResults
            let limit = isBusy ? 0 : connects.isEmpty ? UInt64.max : connects.nanosecondsUntilDue(at: now)
            let count = unsafe iocp_worker_wait(raw, batch, batchCapacity, limit)
            if count < 0 && count != -EINTR && count != -ETIME {
                for (error, key) in connects.abandonLookups(of: self) {
                    handler.connectFailed(error, key: key, on: self)
                }
                offloads.end()
                bodies.finish()
                settleBodies(&handler, &pool)
                handler.stopped(on: self)
                if count == -ECANCELED { return }
                throw IOCPError(result: count, .wait)
            }
            if topics.isActive { unsafe topics.look(at: batch, count: max(0, Int(count)), on: raw) }
            for index in 0..<max(0, Int(count)) {
                unsafe iocp_turn_watch_step(watch, UInt32(batch[index].kind.rawValue))
                unsafe dispatch(batch[index], &handler, &pool)
            }
            if !connects.isEmpty { connects.tryDue(on: self) }
            if offloads.hasResults { settleOffloads(&handler, &pool) }
            if executor.hasJobs {
                unsafe iocp_turn_watch_step(watch, UInt32(IOCP_TURN_JOBS))
                executor.runTurn()
                settleBodies(&handler, &pool)
            }
        }
    }

    @usableFromInline
    func beginRun() throws(IOCPError) {
        try check(unsafe iocp_worker_refusal(raw), .wait)
        switch use {
        case .free: break
        case .handler: throw .completionsAreAHandlers
        case .batches: throw .completionsWereTaken
        }
        use = .handler
        iocp_thread_serve_begin()
    }

    @usableFromInline
    func endRun() {
        dropClosures()
        iocp_thread_serve_end()
        use = .free
    }

    /// One completion to one handler method.
    @inlinable
    @inline(__always)
    func dispatch<Handler: ConnectionHandler>(
        _ record: iocp_completion, _ handler: inout Handler, _ pool: inout ConnectionPool<Handler.State>
    ) {
        if unsafe record.kind == IOCP_COMPLETION_RECEIVED {
            let slot = unsafe Int(iocp_token_slot(record.connection))
            // The pool holds the context and removes it only at this connection's `closed`, so the call needs no
            // reference of its own: read as what it is, a pointer, it is neither retained nor released.
            let place = unsafe UnsafeRawPointer(pool.contexts + slot)
            unsafe place.load(as: Unmanaged<IocpContext<Handler.State>>.self)._withUnsafeGuaranteedRef { context in
                guard context.server == .handler else {
                    return bodies.received(unsafe ReceivedBytes(record, worker: raw), on: unsafe record.connection)
                }
                do throws(IOCPError) {
                    try Handler.Received.hand(unsafe ReceivedBytes(record, worker: raw), to: &handler, on: context)
                } catch {
                    threw(error, in: .received, on: context, &handler)
                }
            }
        } else {
            unsafe dispatchRare(record, &handler, &pool)
        }
    }

    @inlinable
    @inline(never)
    func dispatchRare<Handler: ConnectionHandler>(
        _ record: iocp_completion, _ handler: inout Handler, _ pool: inout ConnectionPool<Handler.State>
    ) {
        if unsafe record.kind == IOCP_COMPLETION_LEAVING { return unsafe leaves(record, &handler, &pool) }
        if unsafe record.kind == IOCP_COMPLETION_ARRIVED { return unsafe arrives(record, &handler, &pool) }
        let completion = unsafe Completion(raw: record)
        if unsafe !connects.isEmpty
            && (record.kind == IOCP_COMPLETION_OPENED || record.kind == IOCP_COMPLETION_CONNECT_FAILED)
        {
            switch connects.ended(completion, on: self) {
            case .none: return
            case .delivers: break
            case .opens(let wait):
                let context = pool.add(
                    unsafe record.connection, named: unsafe record.connection, key: unsafe record.key, listener: 0,
                    state: handler.makeState())
                context.server = .bodyAlone
                _ = unsafe iocp_connection_keep(raw, context.token, true)
                return wait.opened(context, on: self)
            case .fails(let error): return handler.connectFailed(error, key: completion.key, on: self)
            }
        }
        if completion.event == .opened {
            let context = pool.add(
                unsafe record.connection, named: unsafe record.connection, key: unsafe record.key,
                listener: unsafe record.detail, state: handler.makeState())
            do throws(IOCPError) {
                try handler.opened(context)
            } catch {
                threw(error, in: .opened, on: context, &handler)
            }
            return
        }
        if !offloads.isIdle, case .closed(let reason) = completion.event {
            offloads.closed(unsafe record.connection, reason)
        }
        let context = completion.connection.flatMap { pool[$0] }
        if let context, context.server != .handler {
            let server = context.server
            if bodies.take(completion, at: Int(iocp_token_slot(context.token))) { return }
            if server == .bodyAlone {
                if case .closed = completion.event { pool.remove(context) }
                return
            }
        }
        var method = HandlerMethod.posted
        do throws(IOCPError) {
            switch completion.event {
            case .connectFailed(let error): handler.connectFailed(error, key: completion.key, on: self)
            case .peerFinished:
                method = .peerFinished
                if let context { try handler.peerFinished(context) }
            case .sent(let error):
                method = .sent
                if let context, !bodies.takeLateAnswer(completion.key) {
                    try handler.sent(key: completion.key, error: error, on: context)
                }
            case .unsentFell(let error):
                method = .unsentFell
                if let context { try handler.unsentFell(key: completion.key, error: error, on: context) }
            case .writable:
                method = .writable
                if let context { try handler.writable(context) }
            case .closed(let reason):
                guard let context else { break }
                handler.closed(context, reason: self.reason(ofClosed: context.token, reason))
                pool.remove(context)
            case .postedObject:
                method = .postedObject
                let object = unsafe PostedObject.take(from: record)
                try handler.posted(object: object, to: context, on: self)
            case .posted:
                if let letter = unsafe ConnectRequest.take(from: record) {
                    let (step, key) = connects.take(letter, on: self)
                    if case .fails(let error) = step { handler.connectFailed(error, key: key, on: self) }
                } else {
                    try handler.posted(completion.key, to: context, on: self)
                }
            case .timer(let error):
                if unsafe Int(record.detail) == Int(IOCP_TIMER_NAMED) {
                    method = .scheduled
                    try runClosure(of: completion.key, error)
                } else {
                    method = .timerFired
                    try handler.timerFired(key: completion.key, error: error, connection: context, on: self)
                }
            case .stopping:
                method = .stopping
                bodies.stopping()
                try handler.stopping(pool, on: self)
            case .opened, .received:
                break
            }
        } catch {
            threw(error, in: method, on: context, &handler)
        }
    }
}

extension Worker {
    /// Tells the handler how bodies ended, and gives back what they hand back.
    @inlinable
    func settleBodies<Handler: ConnectionHandler>(
        _ handler: inout Handler, _ pool: inout ConnectionPool<Handler.State>
    ) {
        while let end = bodies.nextEnd() {
            switch end {
            case .threw(let error, let connection):
                threw(error, in: .body, on: pool[connection], &handler)
            case .handedBack(let connection):
                guard let context = pool[connection.connection], context.server == .body else {
                    connection.closeIfOpen()
                    break
                }
                takeBack(context, from: connection, &handler)
            }
        }
    }

    @inlinable
    func takeBack<Handler: ConnectionHandler>(
        _ context: IocpContext<Handler.State>, from connection: AsyncConnection, _ handler: inout Handler
    ) {
        context.server = .handler
        connection.release()
        do throws(IOCPError) {
            while let bytes = connection.takeReceived() {
                // The handler may have given it to another body meanwhile, whose bytes the rest is.
                if context.server == .handler {
                    try Handler.Received.hand(bytes, to: &handler, on: context)
                } else {
                    bodies.received(bytes, on: context.token)
                }
            }
            guard connection.hasInputEnded else { return }
            if context.server == .handler {
                try handler.peerFinished(context)
            } else {
                bodies.finishInput(of: context.token)
            }
        } catch {
            threw(error, in: .received, on: context, &handler)
        }
    }
}

extension IOCPError {
    @usableFromInline
    static var completionsAreAHandlers: IOCPError {
        IOCPError(
            code: EDEADLK, operation: .wait,
            detail:
                "a handler runs on this worker: its methods are given the completions, and nobody else can take them")
    }

    @usableFromInline
    static var completionsWereTaken: IOCPError {
        IOCPError(
            code: EBUSY, operation: .wait,
            detail: "completions of this worker were taken with wait(into:): a handler would not know their connections"
        )
    }
}

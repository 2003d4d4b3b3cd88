#if NIO
import Glibc
import IOCP
import NIOCore

/// How a channel begins and ends.
extension StreamChannel {
    /// A connect that is asked for or under way.
    struct Connecting {
        var source: Endpoint?
        var target: NIOAddress?
        var promise: EventLoopPromise<Void>?
        var timeout: TimeAmount? = .seconds(10)
        var isUnderway = false
    }

    // MARK: - Beginning

    func register0(promise: EventLoopPromise<Void>?) { register(promise) }

    func registerAlreadyConfigured0(promise: EventLoopPromise<Void>?) {
        guard life == .fresh else { return promise?.fail(ChannelError.inappropriateOperationForState) ?? () }
        register0(promise: nil)
        guard life == .registered else { return promise?.fail(ChannelError.ioOnClosedChannel) ?? () }
        becomeActive(promise)
    }

    func becomeActive(_ promise: EventLoopPromise<Void>?) {
        guard life == .registered else { return promise?.fail(ChannelError.ioOnClosedChannel) ?? () }
        life = .activating
        setActive(true)
        promise?.succeed(())
        guard life == .activating else { return }
        life = .active
        pipeline.syncOperations.fireChannelActive()
        guard life == .active else { return }
        flushNow()
        guard life == .active else { return }
        readIfNeeded()
        // What came before.
        if reads.hasSomethingHeld { askForTurn() }
    }

    // MARK: - Connecting

    func connect0(to address: NIOAddress, promise: EventLoopPromise<Void>?) {
        open(promise) { worker in
            connecting.target = address
            let limit = connecting.timeout.map { Duration.nanoseconds(max(1, $0.nanoseconds)) }
            return try worker.connect(to: try Endpoint(address), from: connecting.source, timeout: limit)
        }
    }

    /// Begins with a socket that is connected already. As NIO's, it does not wait to fill segments; a Unix socket has no such option.
    func adopt(_ socket: OwnedDescriptor, promise: EventLoopPromise<Void>?) {
        open(promise) { worker in
            var isOn: Int32 = 1
            unsafe setsockopt(socket.descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &isOn, socklen_t(MemoryLayout<Int32>.size))
            let made = try worker.adopt(descriptor: socket.descriptor)
            socket.isOwned = false
            return made
        }
    }

    private func open(_ promise: EventLoopPromise<Void>?, _ make: (Worker) throws -> Connection) {
        guard life != .closed else { return promise?.fail(ChannelError.ioOnClosedChannel) ?? () }
        guard !connecting.isUnderway else { return promise?.fail(ChannelError.connectPending) ?? () }
        guard life == .registered, let worker else {
            return promise?.fail(ChannelError.inappropriateOperationForState) ?? ()
        }
        (connecting.isUnderway, connecting.promise) = (true, promise)
        do {
            let made = try make(worker)
            connection = made
            loop.state.enter(self, as: made)
        } catch {
            close0(error: (error as? IOCPError)?.asNIO ?? error, mode: .all, promise: nil)
        }
    }

    func connected() {
        guard let connection, life == .registered else { return }
        findAddresses(connection, listener: [])
        if let target = connecting.target, case .unixDomainSocket = target {
            setAddresses(local: localAddress, remote: target)
        }
        let promise = connecting.promise
        connecting.promise = nil
        do {
            try applyOptions()
        } catch {
            promise?.fail(error)
            return close0(error: error, mode: .all, promise: nil)
        }
        becomeActive(promise)
    }

    func connectFailed(_ error: IOCPError) {
        if let connection { loop.state.leave(connection) }
        connection = nil
        guard life != .closed else { return }
        if error.code == ETIMEDOUT, let timeout = connecting.timeout {
            close0(error: ChannelError.connectTimeout(timeout), mode: .all, promise: nil)
        } else {
            close0(error: error.asNIO, mode: .all, promise: nil)
        }
    }

    // MARK: - Ending

    func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        guard life != .closed else { return promise?.fail(ChannelError.alreadyClosed) ?? () }
        switch mode {
        case .all: closeAll(error, promise)
        case .output: closeOutput(error, promise)
        case .input: closeInput(error, promise)
        }
    }

    private func closeOutput(_ error: any Error, _ promise: EventLoopPromise<Void>?) {
        if writes.isFinished { return promise?.fail(ChannelError.outputClosed) ?? () }
        if reads.isFinished { return closeAll(error, promise) }
        guard life == .active || life == .activating else {
            return promise?.fail(ChannelError.inappropriateOperationForState) ?? ()
        }
        finishWriting(promise)
    }

    private func closeInput(_ error: any Error, _ promise: EventLoopPromise<Void>?) {
        if reads.isFinished { return promise?.fail(ChannelError.inputClosed) ?? () }
        if writes.isFinished { return closeAll(error, promise) }
        reads.finish()
        promise?.succeed(())
        pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    }

    /// What was flushed leaves all the same, and then FIN; what was not fails with `error`.
    private func closeAll(_ error: any Error, _ promise: EventLoopPromise<Void>?) {
        let before = life
        endWriting()
        life = .closed
        setActive(false)
        reads.finish()
        if let connection { worker?.close(connection) }
        let connectPromise = connecting.promise
        connecting.promise = nil
        failWrites(error)
        connectPromise?.fail(error)
        promise?.succeed(())
        if before == .active { pipeline.syncOperations.fireChannelInactive() }
        if before != .fresh { pipeline.syncOperations.fireChannelUnregistered() }
        // Handlers may stand in the pipeline's calls now.
        loop.execute { [self] in
            removeHandlers(pipeline: pipeline)
            closePromise.succeed(())
            setAddresses(local: nil, remote: nil)
        }
    }

    /// The connection's last completion.
    func connectionEnded(_ reason: CloseReason) {
        if let connection { loop.state.leave(connection) }
        writes.isCut = true
        switch life {
        case .closed: wroteNoMore(reason.asNIO ?? ChannelError.ioOnClosedChannel)
        case .fresh, .registered: reads.end = reads.end ?? .failed(reason.asNIO ?? ChannelError.eof)
        case .activating, .active:
            reads.end = .failed(reason.asNIO ?? ChannelError.eof)
            deliverHeld()
            // Its input had ended before: nothing is read any more, and the connection is gone all the same.
            if life == .active, reads.isFinished { deliverEnd() }
        }
        connection = nil
    }
}
#endif

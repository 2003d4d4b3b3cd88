#if NIO
import NIOCore

/// What a connection's channel and a listener's have in common: how they are registered, and how they are asked for options.
protocol LoopChannel: Channel, ChannelCore {
    var loop: IOCPEventLoop { get }
    var life: ChannelLife { get set }
    /// On the loop's thread.
    func set<Option: ChannelOption>(_ option: Option, to value: Option.Value) throws
    func value<Option: ChannelOption>(of option: Option) throws -> Option.Value
}

enum ChannelLife: UInt8 {
    case fresh, registered
    /// Active, and `channelActive` is being told, or is still to be.
    case activating
    case active, closed
}

extension LoopChannel {
    var eventLoop: any EventLoop { loop }
    var _channelCore: any ChannelCore { self }

    /// - Parameter entering: done once the channel is registered, before anybody is told.
    func register(_ promise: EventLoopPromise<Void>?, entering: () -> Void = {}) {
        switch life {
        case .fresh: break
        case .closed: return promise?.fail(ChannelError.ioOnClosedChannel) ?? ()
        default: return promise?.fail(ChannelError.inappropriateOperationForState) ?? ()
        }
        guard !loop.state.isOver else {
            close0(error: EventLoopError.shutdown, mode: .all, promise: nil)
            return promise?.fail(EventLoopError.shutdown) ?? ()
        }
        life = .registered
        entering()
        promise?.succeed(())
        pipeline.syncOperations.fireChannelRegistered()
    }

    func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> EventLoopFuture<Void> {
        guard loop.inEventLoop else { return loop.submit { try self.set(option, to: value) } }
        do {
            try set(option, to: value)
            return loop.makeSucceededVoidFuture()
        } catch {
            return loop.makeFailedFuture(error)
        }
    }

    func getOption<Option: ChannelOption>(_ option: Option) -> EventLoopFuture<Option.Value> {
        guard loop.inEventLoop else { return loop.submit { try self.value(of: option) } }
        do {
            return loop.makeSucceededFuture(try value(of: option))
        } catch {
            return loop.makeFailedFuture(error)
        }
    }

    var syncOptions: (any NIOSynchronousChannelOptions)? { SynchronousOptions(channel: self) }
}

private struct SynchronousOptions<Asked: LoopChannel>: NIOSynchronousChannelOptions {
    let channel: Asked

    func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) throws {
        try channel.set(option, to: value)
    }

    func getOption<Option: ChannelOption>(_ option: Option) throws -> Option.Value {
        try channel.value(of: option)
    }
}
#endif

#if NIO
import Glibc
import IOCP
import NIOCore

/// The options of a channel: those that the kernel has are set there, others here, and what neither has is refused.
extension StreamChannel {
    struct Settings {
        var allocator = ByteBufferAllocator()
        /// Of a socket that does not exist yet.
        var early: [(level: Int32, name: Int32, value: Int)] = []
    }

    func set<Option: ChannelOption>(_ option: Option, to value: Option.Value) throws {
        loop.assertInEventLoop()
        guard life != .closed else { throw ChannelError.ioOnClosedChannel }
        switch option {
        case let option as ChannelOptions.Types.SocketOption:
            try setSocketOption(option, Int(value as! ChannelOptions.Types.SocketOption.Value))
        case is ChannelOptions.Types.AllocatorOption:
            settings.allocator = value as! ByteBufferAllocator
            allocator = settings.allocator
        case is ChannelOptions.Types.RecvAllocatorOption:
            reads.sizes = ReadSizes(value as! any RecvByteBufferAllocator)
        case is ChannelOptions.Types.AutoReadOption: setAutoRead(value as! Bool)
        case is ChannelOptions.Types.MaxMessagesPerReadOption:
            reads.countMax = max(1, value as! UInt)
        case is ChannelOptions.Types.AllowRemoteHalfClosureOption: reads.allowsHalfClosure = value as! Bool
        // A flush is one send, and does not spin; the number is kept for who asks.
        case is ChannelOptions.Types.WriteSpinOption: writes.spinCount = value as! UInt
        case is ChannelOptions.Types.WriteBufferWaterMarkOption:
            writes.mark = value as! ChannelOptions.Types.WriteBufferWaterMark
        case is ChannelOptions.Types.ConnectTimeoutOption: connecting.timeout = value as! TimeAmount?
        default: throw ChannelError.operationUnsupported
        }
    }

    func value<Option: ChannelOption>(of option: Option) throws -> Option.Value {
        loop.assertInEventLoop()
        guard life != .closed else { throw ChannelError.ioOnClosedChannel }
        let value: Any
        switch option {
        case let option as ChannelOptions.Types.SocketOption:
            value = ChannelOptions.Types.SocketOption.Value(try socketOption(option))
        case is ChannelOptions.Types.AllocatorOption: value = settings.allocator
        case is ChannelOptions.Types.RecvAllocatorOption: value = reads.sizes.allocator
        case is ChannelOptions.Types.AutoReadOption: value = reads.isAutomatic
        case is ChannelOptions.Types.MaxMessagesPerReadOption: value = reads.countMax
        case is ChannelOptions.Types.AllowRemoteHalfClosureOption: value = reads.allowsHalfClosure
        case is ChannelOptions.Types.WriteSpinOption: value = writes.spinCount
        case is ChannelOptions.Types.WriteBufferWaterMarkOption: value = writes.mark
        case is ChannelOptions.Types.BufferedWritableBytesOption: value = writes.pendingBytes + unsentBytes
        case is ChannelOptions.Types.ConnectTimeoutOption: value = connecting.timeout as Any
        default: throw ChannelError.operationUnsupported
        }
        return value as! Option.Value
    }

    private func setAutoRead(_ isAutomatic: Bool) {
        let was = reads.isAutomatic
        reads.isAutomatic = isAutomatic
        guard was != isAutomatic, life == .active || life == .activating else { return }
        if isAutomatic { read0() } else { reads.isAsked = false }
    }

    // MARK: - Of the socket

    private func setSocketOption(_ option: ChannelOptions.Types.SocketOption, _ value: Int) throws {
        let (level, name) = option.kernel
        guard let worker, let connection, !connecting.isUnderway || isActive else {
            // Whether the address may be used again is asked of sockets that bind; a connect from no address does not.
            settings.early.append((level, name, value))
            return
        }
        try worker.set(level, name, to: value, of: connection)
    }

    private func socketOption(_ option: ChannelOptions.Types.SocketOption) throws -> Int {
        let (level, name) = option.kernel
        guard let worker, let connection else {
            guard let early = settings.early.last(where: { $0.level == level && $0.name == name }) else {
                throw ChannelError.inappropriateOperationForState
            }
            return early.value
        }
        do throws(IOCPError) {
            return try worker.option(IOCP.SocketOption<Int>(level: level, name: name), of: connection)
        } catch {
            throw error.asNIO
        }
    }

    /// Sets what was asked for before there was a socket.
    func applyOptions() throws {
        guard let worker, let connection else { return }
        let early = settings.early
        settings.early = []
        for (level, name, value) in early { try worker.set(level, name, to: value, of: connection) }
    }
}

extension Worker {
    /// - Throws: `IOError`.
    fileprivate func set(_ level: Int32, _ name: Int32, to value: Int, of connection: Connection) throws {
        do throws(IOCPError) {
            try setOption(IOCP.SocketOption<Int>(level: level, name: name), to: value, of: connection)
        } catch {
            throw error.asNIO
        }
    }
}

extension ChannelOptions.Types.SocketOption {
    /// `ChannelOptions.socketOption(.tcp_nodelay)` says SOL_SOCKET, where the number is SO_DEBUG's: whoever writes it means
    /// TCP's.
    var kernel: (level: Int32, name: Int32) {
        let (level, name) = (Int32(optionLevel.rawValue), Int32(optionName.rawValue))
        return level == SOL_SOCKET && name == TCP_NODELAY ? (Int32(IPPROTO_TCP), name) : (level, name)
    }
}
#endif

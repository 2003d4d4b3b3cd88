import ArgumentParser
import IOCP
import IOCPNIO
import NIOCore
import NIOPosix

extension ServerBootstrap: EchoBootstrap {}
extension IOCPServerBootstrap: EchoBootstrap {}

/// What carries the bytes under the same handlers.
public enum Transport: String, ExpressibleByArgument, CaseIterable, Sendable {
    /// NIO's own sockets.
    case posix
    /// This project's IOCPNIO, on one of its drivers.
    case uring, epoll

    /// One loop.
    public func group() throws -> any EventLoopGroup {
        guard self != .posix else { return MultiThreadedEventLoopGroup(numberOfThreads: 1) }
        var configuration = PortConfiguration()
        configuration.driver = self == .uring ? .uring : .epoll
        configuration.workers = 1
        return try IOCPEventLoopGroup(configuration)
    }

    public func bootstrap(_ group: any EventLoopGroup) -> any EchoBootstrap {
        self == .posix ? ServerBootstrap(group: group).asBaseline() : IOCPServerBootstrap(group: group).asBaseline()
    }
}

import NIOCore
import NIOPosix

extension ServerBootstrap {
    /// The listener, the same for both baselines.
    ///
    /// The bootstrap sets TCP_NODELAY on it, which accepted sockets inherit on Linux: the call for each is saved.
    public static func baseline(group: MultiThreadedEventLoopGroup) -> ServerBootstrap {
        ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 4_096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // A burst is accepted in one turn. In churn the CPU per cycle was the same with 4, 16 and 256, within noise.
            .serverChannelOption(.maxMessagesPerRead, value: 64)
    }
}

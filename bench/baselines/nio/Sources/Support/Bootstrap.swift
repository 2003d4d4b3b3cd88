import NIOCore

/// A listener's bootstrap, of either transport.
public protocol EchoBootstrap {
    func serverChannelOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> Self
    func childChannelInitializer(_ initializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>) -> Self
    func bind(host: String, port: Int) -> EventLoopFuture<any Channel>
    func bind<Output: Sendable>(
        host: String, port: Int,
        serverBackPressureStrategy: NIOAsyncSequenceProducerBackPressureStrategies.HighLowWatermark?,
        childChannelInitializer: @escaping @Sendable (any Channel) -> EventLoopFuture<Output>
    ) async throws -> NIOAsyncChannel<Output, Never>
}

extension EchoBootstrap {
    /// The listener, the same for all baselines.
    ///
    /// NIO's bootstrap sets TCP_NODELAY on it, which accepted sockets inherit on Linux: the call for each is saved.
    public func asBaseline() -> Self {
        serverChannelOption(.backlog, value: 4_096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            // A burst is accepted in one turn. In churn the CPU per cycle was the same with 4, 16 and 256, within noise.
            .serverChannelOption(.maxMessagesPerRead, value: 64)
    }
}

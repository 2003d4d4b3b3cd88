import NIOCore

/// The channel options of a connection.
///
/// Applied in the channel's initializer rather than as `childChannelOption`, which makes a future for each: 24 % fewer
/// instructions for a connection that comes, echoes and goes.
public struct ConnectionOptions: Sendable {
    private let allowRemoteHalfClosure: Bool
    private let writeBufferWaterMark: ChannelOptions.Types.WriteBufferWaterMark?

    /// For a connection that echoes. Without half-closure a peer's FIN would close it, and what the peer is owed be
    /// lost. The water marks stay NIO's, of which the high one is a full receive buffer.
    public static let echo = Self(allowRemoteHalfClosure: true, writeBufferWaterMark: nil)

    /// For a connection that counts as writable while no more than so many bytes wait, and that a FIN closes.
    public static func unsent(bytesMax: Int) -> Self {
        Self(allowRemoteHalfClosure: false, writeBufferWaterMark: .init(low: bytesMax, high: bytesMax))
    }

    /// From 1 KiB: with NIO's minimum of 64 bytes a small message fills its buffer, which then grows and shrinks in
    /// turn. To 64 KiB: larger ones leave the cache, a third more CPU per message of 64 KiB or 1 MiB with 256 KiB;
    /// with 32 KiB it is a quarter more per message of 64 KiB.
    private static let receiveBuffers = AdaptiveRecvByteBufferAllocator(minimum: 1_024, initial: 1_024, maximum: 65_536)

    /// Thread: the channel's event loop.
    public func apply(to channel: any Channel) throws {
        guard let options = channel.syncOptions else { preconditionFailure("the channel of a socket has them") }
        try options.setOption(.recvAllocator, value: Self.receiveBuffers)
        // A second read mostly finds nothing: 12 % more CPU per message of 64 KiB with 4, no less for others.
        try options.setOption(.maxMessagesPerRead, value: 1)
        if allowRemoteHalfClosure { try options.setOption(.allowRemoteHalfClosure, value: true) }
        if let writeBufferWaterMark { try options.setOption(.writeBufferWaterMark, value: writeBufferWaterMark) }
    }
}

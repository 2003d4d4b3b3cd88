import NIOCore

/// Writes what it reads, and flushes once for all that one turn read.
///
/// Back-pressure is in here rather than in NIO's `BackPressureHandler`, so that a pipeline has one handler to pass.
public final class EchoHandler: ChannelDuplexHandler {
    public typealias InboundIn = ByteBuffer
    public typealias OutboundIn = ByteBuffer
    public typealias OutboundOut = ByteBuffer

    public init() {}

    private var isWritable = true
    /// The channel asked to read while the peer did not.
    private var readIsDue = false

    public static func configure(_ bootstrap: any EchoBootstrap) -> any EchoBootstrap {
        bootstrap.childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try ConnectionOptions.echo.apply(to: channel)
                try channel.pipeline.syncOperations.addHandler(EchoHandler())
            }
        }
    }

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.write(data, promise: nil)
    }

    public func channelReadComplete(context: ChannelHandlerContext) {
        context.flush()
    }

    // MARK: Back-pressure

    public func read(context: ChannelHandlerContext) {
        if isWritable { context.read() } else { readIsDue = true }
    }

    public func channelWritabilityChanged(context: ChannelHandlerContext) {
        isWritable = context.channel.isWritable
        if isWritable, readIsDue {
            readIsDue = false
            context.read()
        }
    }

    // MARK: The end

    public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(.inputClosed) = event as? ChannelEvent { closeOnceWritten(context) }
    }

    public func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    /// Closing drops what is not written yet; an empty write comes after all of it.
    private func closeOnceWritten(_ context: ChannelHandlerContext) {
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer()), promise: written)
    }
}

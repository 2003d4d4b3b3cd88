import NIOCore
import NIOPosix
import Support

/// Writes what it reads, and flushes once for all that one turn read.
///
/// Back-pressure is in here rather than in NIO's `BackPressureHandler`, so that a pipeline has one handler to pass.
final class EchoHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private var isWritable = true
    /// The channel asked to read while the peer did not.
    private var readIsDue = false

    static func configure(_ bootstrap: ServerBootstrap) -> ServerBootstrap {
        bootstrap.childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try ConnectionOptions.echo.apply(to: channel)
                try channel.pipeline.syncOperations.addHandler(EchoHandler())
            }
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        context.write(data, promise: nil)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.flush()
    }

    // MARK: Back-pressure

    func read(context: ChannelHandlerContext) {
        if isWritable { context.read() } else { readIsDue = true }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        isWritable = context.channel.isWritable
        if isWritable, readIsDue {
            readIsDue = false
            context.read()
        }
    }

    // MARK: The end

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .some(.inputClosed) = event as? ChannelEvent { closeOnceWritten(context) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    /// Closing drops what is not written yet; an empty write comes after all of it.
    private func closeOnceWritten(_ context: ChannelHandlerContext) {
        let written = context.eventLoop.makePromise(of: Void.self)
        written.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        context.writeAndFlush(Self.wrapOutboundOut(ByteBuffer()), promise: written)
    }
}

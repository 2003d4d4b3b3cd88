public import NIOCore

/// Writes what it reads, and stops reading while its peer does not.
public final class EchoHandler: ChannelDuplexHandler {
    public typealias InboundIn = ByteBuffer
    public typealias OutboundIn = ByteBuffer
    public typealias OutboundOut = ByteBuffer
    private var readIsDue = false

    public init() {}

    public func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.write(data, promise: nil) }

    public func channelReadComplete(context: ChannelHandlerContext) { context.flush() }

    public func read(context: ChannelHandlerContext) {
        if context.channel.isWritable { context.read() } else { readIsDue = true }
    }

    public func channelWritabilityChanged(context: ChannelHandlerContext) {
        guard context.channel.isWritable, readIsDue else { return }
        readIsDue = false
        context.read()
    }

    public func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

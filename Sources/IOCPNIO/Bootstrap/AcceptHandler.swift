#if NIO
import NIOCore

/// The last handler of a listener's pipeline: makes each client's channel ready on its own loop, and passes it on to the
/// transport, which lets it begin.
final class AcceptHandler: ChannelInboundHandler {
    typealias InboundIn = any Channel
    typealias InboundOut = any Channel
    typealias Initializer = @Sendable (any Channel) -> EventLoopFuture<Void>

    private let options: ChannelOptions.Storage
    private let initializer: Initializer?

    init(_ options: ChannelOptions.Storage, _ initializer: Initializer?) {
        (self.options, self.initializer) = (options, initializer)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let client = unwrapInboundIn(data)
        let (options, initializer) = (options, initializer)
        let made = client.eventLoop.flatSubmit {
            options.applyAllChannelOptions(to: client).flatMap {
                initializer?(client) ?? client.eventLoop.makeSucceededVoidFuture()
            }
        }
        made.hop(to: context.eventLoop).assumeIsolated().whenComplete { result in
            switch result {
            case .success where context.channel.isActive: context.fireChannelRead(self.wrapInboundOut(client))
            case .success: client.close(promise: nil)
            case .failure(let error):
                client.close(promise: nil)
                context.fireErrorCaught(error)
            }
        }
    }

    /// NIO's helper for quiescing asks so.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event is ChannelShouldQuiesceEvent { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }
}
#endif

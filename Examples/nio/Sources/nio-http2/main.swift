import NIOCore
import NIOHPACK
import NIOHTTP2
import Support

/// Answers each stream with a page, or with what its request carried.
final class Page: ChannelInboundHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload
    private var isAnswered = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .headers(let headers):
            let areTrailers = isAnswered
            if !areTrailers { answer(context) }
            if headers.endStream { end(context, ByteBuffer(string: areTrailers ? "" : "Hello, world!\n")) }
        case .data(let part):
            guard case .byteBuffer(let bytes) = part.data else { return }
            if part.endStream { end(context, bytes) } else { send(context, bytes, ends: false) }
        default: break
        }
    }

    private func answer(_ context: ChannelHandlerContext) {
        isAnswered = true
        context.write(wrapOutboundOut(.headers(.init(headers: [":status": "200"]))), promise: nil)
    }

    private func end(_ context: ChannelHandlerContext, _ bytes: ByteBuffer) { send(context, bytes, ends: true) }

    private func send(_ context: ChannelHandlerContext, _ bytes: ByteBuffer, ends: Bool) {
        context.writeAndFlush(wrapOutboundOut(.data(.init(data: .byteBuffer(bytes), endStream: ends))), promise: nil)
    }
}

let launch = try Launch()
try await launch.serve { channel in
    channel.configureHTTP2Pipeline(mode: .server) { stream in
        stream.eventLoop.makeCompletedFuture { try stream.pipeline.syncOperations.addHandler(Page()) }
    }.map { _ in }
}

import NIOCore
import NIOHTTP1
import Support

/// GET / says hello; POST /echo sends the body back as it comes.
final class HelloAndEcho: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart
    private var echoes = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            echoes = head.method == .POST && head.uri == "/echo"
            var headers = HTTPHeaders()
            if echoes {
                if let length = head.headers.first(name: "content-length") {
                    headers.add(name: "content-length", value: length)
                }
            } else {
                headers.add(name: "content-length", value: "14")
            }
            let status = echoes || head.uri == "/" ? HTTPResponseStatus.ok : .notFound
            context.write(
                wrapOutboundOut(.head(HTTPResponseHead(version: head.version, status: status, headers: headers))),
                promise: nil)
            if !echoes {
                context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: "Hello, world!\n")))), promise: nil)
            }
        case .body(let bytes): if echoes { context.write(wrapOutboundOut(.body(.byteBuffer(bytes))), promise: nil) }
        case .end: context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }

    func channelReadComplete(context: ChannelHandlerContext) { context.flush() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

let launch = try Launch()
try await launch.serve { channel in
    channel.eventLoop.makeCompletedFuture {
        try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: true)
        try channel.pipeline.syncOperations.addHandler(HelloAndEcho())
    }
}

#if NIO
import NIOCore
import Synchronization

final class Echo: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { context.write(data, promise: nil) }

    func channelReadComplete(context: ChannelHandlerContext) { context.flush() }
}

/// Collects what arrives until the peer's end.
final class Collector: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    private var bytes = ByteBuffer()
    private let promise: EventLoopPromise<ByteBuffer>
    private let wanted: Int

    /// - Parameter wanted: ends there, too.
    init(_ promise: EventLoopPromise<ByteBuffer>, wanted: Int = .max) {
        (self.promise, self.wanted) = (promise, wanted)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var buffer = unwrapInboundIn(data)
        bytes.writeBuffer(&buffer)
        if bytes.readableBytes >= wanted { promise.succeed(bytes) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { promise.fail(error) }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed { promise.succeed(bytes) }
    }

    func channelInactive(context: ChannelHandlerContext) { promise.succeed(bytes) }
}

/// Writes the next number whenever the one before has left, and flushes in the middle of it.
final class Nested: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { Nested.write(0, on: context.channel) }

    private static func write(_ number: Int, on channel: any Channel) {
        guard number < 100 else { return }
        let promise = channel.eventLoop.makePromise(of: Void.self)
        promise.futureResult.whenSuccess { write(number + 2, on: channel) }
        channel.write(ByteBuffer(string: "\(number);"), promise: promise)
        channel.write(ByteBuffer(string: "\(number + 1);"), promise: nil)
        channel.flush()
        channel.flush()
    }
}

/// Writes down what a pipeline tells, in its order.
final class Recorder: ChannelInboundHandler, @unchecked Sendable {
    typealias InboundIn = ByteBuffer
    private let lines = Mutex<[String]>([])

    var events: [String] { lines.withLock { $0 } }

    func note(_ line: String) { lines.withLock { $0.append(line) } }

    func channelRegistered(context: ChannelHandlerContext) { note("registered") }
    func channelUnregistered(context: ChannelHandlerContext) { note("unregistered") }
    func channelActive(context: ChannelHandlerContext) {
        note("active")
        context.fireChannelActive()
    }
    func channelInactive(context: ChannelHandlerContext) {
        note("inactive")
        context.fireChannelInactive()
    }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        note("read \(String(buffer: unwrapInboundIn(data)))")
        context.fireChannelRead(data)
    }
    func channelReadComplete(context: ChannelHandlerContext) {
        note("read complete")
        context.fireChannelReadComplete()
    }
    func channelWritabilityChanged(context: ChannelHandlerContext) { note("writable \(context.channel.isWritable)") }
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) { note("event \(event)") }
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        note(error is IOError ? "error \((error as! IOError).errnoCode)" : "error \(error)")
    }
}

extension Channel {
    func closing(_ mode: CloseMode = .all) -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        close(mode: mode, promise: promise)
        return promise.futureResult
    }

    func add(_ handlers: any ChannelHandler & Sendable...) -> EventLoopFuture<Void> {
        eventLoop.submit { [self] in try pipeline.syncOperations.addHandlers(handlers) }
    }
}
#endif

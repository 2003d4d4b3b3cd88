import NIOCore
import Support

/// A connection of the room: its frames come in here, and those of others go out.
///
/// A receiver that does not read loses whole frames once `waitingBytesMax` wait for it: they are dropped before they
/// are written, and what was written is sent to its end.
final class FanOutHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private static let waitingBytesMax = 1 << 20

    /// The place among the room's members, which the room keeps.
    var place = 0
    private let room: FanOutRoom
    private var frames: FrameReader
    /// Set while the connection is in the room.
    private var context: ChannelHandlerContext?
    /// False while more than `waitingBytesMax` wait; kept here because it is asked for each delivery.
    private var isWritable = true

    private init(_ room: FanOutRoom) {
        self.room = room
        frames = FrameReader(frameBytes: room.frameBytes)
    }

    static func configure(
        _ bootstrap: any EchoBootstrap, frameBytes: Int, on eventLoop: any EventLoop
    ) -> any EchoBootstrap {
        let room = NIOLoopBoundBox.makeBoxSendingValue(
            FanOutRoom(frameBytes: frameBytes, eventLoop: eventLoop), eventLoop: eventLoop)
        let options = ConnectionOptions.unsent(bytesMax: waitingBytesMax)
        return bootstrap.childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try options.apply(to: channel)
                try channel.pipeline.syncOperations.addHandler(FanOutHandler(room.value))
            }
        }
    }

    func channelActive(context: ChannelHandlerContext) {
        self.context = context
        room.join(self)
    }

    func channelInactive(context: ChannelHandlerContext) {
        room.leave(self)
        self.context = nil
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        frames.take(Self.unwrapInboundIn(data)) { room.publish($0, from: self) }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        isWritable = context.channel.isWritable
    }

    /// Sends what others published, with one flush unless there is more of it than may wait.
    func deliver(_ turn: [FanOutRoom.Run]) {
        guard let context else { return }
        var isFlushDue = false
        for run in turn where run.sender !== self {
            if !isWritable, isFlushDue {
                context.flush()
                isFlushDue = false
            }
            guard isWritable else { continue }
            context.write(Self.wrapOutboundOut(run.bytes), promise: nil)
            isFlushDue = true
        }
        if isFlushDue { context.flush() }
    }
}

import NIOCore
import Support

/// A task for each connection, as in NIO's documentation.
struct EchoServer: Sendable {
    typealias Connection = NIOAsyncChannel<ByteBuffer, ByteBuffer>

    let host: String
    let port: Int
    let transport: Transport
    let group: any EventLoopGroup

    func bind() async throws -> NIOAsyncChannel<Connection, Never> {
        try await transport.bootstrap(group)
            .bind(host: host, port: port, serverBackPressureStrategy: nil) { channel in
                channel.eventLoop.makeCompletedFuture {
                    try ConnectionOptions.echo.apply(to: channel)
                    return try Connection(wrappingChannelSynchronously: channel)
                }
            }
    }

    func serve(_ listener: NIOAsyncChannel<Connection, Never>) async throws {
        try await withThrowingDiscardingTaskGroup { group in
            try await listener.executeThenClose { connections in
                for try await connection in connections {
                    group.addTask { await echo(connection) }
                }
            }
        }
    }

    /// Does not throw: a connection that fails ends alone.
    private func echo(_ connection: Connection) async {
        try? await connection.executeThenClose { inbound, outbound in
            for try await buffer in inbound {
                try await outbound.write(buffer)
            }
            // Closing drops what is not written yet; an empty write comes after all of it.
            try await connection.channel.writeAndFlush(ByteBuffer())
        }
    }
}

import GRPCCore
import GRPCNIOTransportHTTP2Posix
import NIOCore
import Support

/// gRPC's transport on a bootstrap of either kind: what `HTTP2ServerTransport.Posix` does for NIO's own sockets.
struct Listening: HTTP2ServerTransport.ListenerFactory {
    let launch: Launch
    var eventLoopGroup: any EventLoopGroup { launch.group }

    func makeListeningChannel(
        listenerConfigurator: HTTP2ServerTransport.ListenerConfigurator,
        connectionConfigurator: HTTP2ServerTransport.ConnectionConfigurator
    ) async throws -> NIOAsyncChannel<HTTP2ServerTransport.ConnectionConfigurator.ConnectionChannel, Never> {
        let channel = try await launch.bootstrap.serverChannelInitializer { listenerConfigurator.configure(channel: $0) }
            .bind(host: "127.0.0.1", port: launch.port, serverBackPressureStrategy: nil) { channel in
                connectionConfigurator.configure(channel: channel, tls: .none)
            }
        launch.announce(channel.channel)
        return channel
    }
}

let launch = try Launch()
let transport = HTTP2ServerTransport.Custom(listenerFactory: Listening(launch: launch))
let server = GRPCServer(transport: transport, services: [Echo()])
launch.onSignal { server.beginGracefulShutdown() }
try await server.serve()
try await launch.group.shutdownGracefully()
